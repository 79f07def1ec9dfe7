// Has libraries of npm check or make a signature. Reads a task as JSON from standard input, and writes the result as JSON. Its argument
// is the folder that the libraries are installed in.
const { createRequire } = require('node:module');
const fs = require('node:fs');

const library = createRequire(process.argv[2] + '/');
const task = JSON.parse(fs.readFileSync(0, 'utf8'));

const tasks = {
  // Says whether a message's signature verifies, and covers what a receiver would ask for.
  async message() {
    const { createVerifier, httpbis } = library('http-message-signatures');
    const key = task.algorithm === 'hmac-sha256' ? Buffer.from(task.key, 'base64') : task.key; // which is PEM
    const verify = createVerifier(key, task.algorithm);
    return httpbis.verifyMessage({
      keyLookup: async ({ keyid }) => (keyid === task.keyID ? { id: keyid, algs: [task.algorithm], verify } : null),
      requiredFields: ['@method', '@target-uri', 'content-digest'],
      requiredParams: ['created', 'keyid', 'alg', 'nonce'],
      maxAge: 60, // seconds
    }, { method: task.method, url: task.url, headers: task.headers });
  },
  // Sends a call to Kraken, which is at task.url.
  async kraken() {
    const Kraken = library('kraken-api');
    return new Kraken(task.keyID, task.key, { url: task.url }).api(task.method, task.parameters);
  },
};

tasks[task.task]().then(
  (result) => process.stdout.write(JSON.stringify(result)),
  (error) => { process.stderr.write(String(error)); process.exitCode = 1; },
);
