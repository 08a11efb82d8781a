// lockstep in a test of Node's: `node --test`. What fetch() does here, toxiproxy-node-client does too.
import assert from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import readline from "node:readline";
import { after, before, test } from "node:test";

const lockstep = {};

// The line that says where it listens, of what the program prints.
async function found(stream, pattern) {
  for await (const line of readline.createInterface({ input: stream })) {
    const match = pattern.exec(line);
    if (match) {
      stream.resume(); // or the program stands still once the pipe is full
      return match[1];
    }
  }
  throw new Error(`lockstep did not say ${pattern}`);
}

async function ask(method, path, body) {
  const answer = await fetch(lockstep.admin + path, { method, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

before(async () => {
  const words = ["fault", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  lockstep.program = spawn(process.env.LOCKSTEP ?? "lockstep", words, {
    stdio: ["ignore", "pipe", "pipe"],
  });
  [lockstep.port, lockstep.admin] = await Promise.all([
    found(lockstep.program.stdout, /listening on 127\.0\.0\.1:(\d+)/),
    found(lockstep.program.stderr, /answers at (http:\/\/\S+)/),
  ]);
});

after(async () => {
  lockstep.program.kill("SIGKILL"); // a failed test may have left sessions
  await once(lockstep.program, "exit");
});

// Stands for the code under test: it says the lines one by one; the code of each answer.
async function send(...lines) {
  const socket = net.connect(lockstep.port, "127.0.0.1");
  const codes = [];
  for await (const line of readline.createInterface({ input: socket })) {
    if (line[3] === "-") continue;
    codes.push(Number(line.slice(0, 3)));
    if (lines.length === 0) break;
    socket.write(`${lines.shift()}\r\n`);
  }
  socket.destroy();
  return codes;
}

test("one refused recipient does not harm the others", async () => {
  await ask("POST", "/proxies/main/toxics", {
    type: "answer",
    stream: "upstream",
    attributes: { on: "command", verb: "RCPT", nth: 2, text: "550 5.1.1 Nobody of that name" },
  });
  const codes = await send("EHLO app.example.com", "MAIL FROM:<app@example.com>",
    "RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>", "DATA", "Subject: hello\r\n\r\nwords\r\n.",
    "QUIT");
  assert.deepEqual(codes, [220, 250, 250, 250, 550, 354, 250, 221]);
  const verdict = await ask("POST", "/api/v1/verify", {
    assert: [{ messages: 1 }, { unseen: "U> RCPT TO:<b@example.com>" }],
  });
  assert.ok(verdict.passed, JSON.stringify(verdict.results, null, 2));
});
