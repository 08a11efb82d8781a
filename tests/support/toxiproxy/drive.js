/*
 * Does with toxiproxy-node-client what its argument says, and prints what came of it as JSON:
 *
 *     node drive.js NODE_MODULES http://127.0.0.1:8474 '["addToxic", "mx", {...}]'
 */
"use strict";
const [modules, host, words] = process.argv.slice(2);
const { Toxiproxy } = require(`${modules}/toxiproxy-node-client`);
const server = new Toxiproxy(host);
const plain = (what) => (what && what.toJson ? what.toJson() : what);
const each = (all) => Object.fromEntries(Object.entries(all).map(([k, v]) => [k, plain(v)]));

const deeds = {
  createProxy: async (body) => plain(await server.createProxy(body)),
  getAll: async () => each(await server.getAll()),
  populate: async (list) => each(await server.populate(list)),
  reset: async () => server.reset(),
  getVersion: async () => server.getVersion(),
  get: async (name) => plain(await server.get(name)),
  update: async (name, body) => plain(await (await server.get(name)).update(body)),
  remove: async (name) => (await server.get(name)).remove(),
  addToxic: async (name, body) => plain(await (await server.get(name)).addToxic(body)),
  getToxic: async (name, toxic) => plain(await (await server.get(name)).getToxic(toxic)),
  updateToxic: async (name, toxic, body) =>
    plain(await (await (await server.get(name)).getToxic(toxic)).update(body)),
  removeToxic: async (name, toxic) => (await (await server.get(name)).getToxic(toxic)).remove(),
};
const [deed, ...rest] = JSON.parse(words);

deeds[deed](...rest).then(
  (came) => console.log(JSON.stringify({ came: came === undefined ? null : came })),
  (error) => console.log(JSON.stringify({ error: error.message })),
);
