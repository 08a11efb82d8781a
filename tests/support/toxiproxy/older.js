/*
 * Makes a proxy with toxiproxy-node, looks at it, deletes it, and prints what came as JSON. That
 * client knows the proxies of today's API, and the toxics of the one before, which Toxiproxy itself
 * has given up.
 *
 *     node older.js NODE_MODULES 127.0.0.1:8474 '{"name": "mx", "listen": ..., "upstream": ...}'
 */
"use strict";
const { promisify } = require("util");
const [modules, host, words] = process.argv.slice(2);
const Toxiproxy = require(`${modules}/toxiproxy-node`);
const server = new Toxiproxy(host);
const proxy = server.NewProxy(JSON.parse(words));
const ask = (object, name, ...rest) => promisify(object[name]).call(object, ...rest);

(async () => {
  const created = await ask(proxy, "Create");
  const all = await ask(server, "Proxies");
  const one = await ask(server, "Proxy", created.name);
  await ask(proxy, "Delete");
  const left = await ask(server, "Proxies");
  console.log(JSON.stringify({ created, all, one, left }));
})();
