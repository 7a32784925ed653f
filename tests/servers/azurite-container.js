// node azurite-container.js ENDPOINT NAME: makes a container in Azurite, whose account and key everybody knows.
const crypto = require("crypto");
const http = require("http");

const [endpoint, name] = process.argv.slice(2);
const account = "devstoreaccount1";
const key =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
const named = Object.keys(headers).map((h) => `${h}:${headers[h]}\n`).join("");
// Path style: the account is in the path, and once more in front of it.
const resource = `/${account}/${account}/${name}\nrestype:container`;
const text = "PUT\n\n\n\n\n\n\n\n\n\n\n\n" + named + resource;
const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
const url = `${endpoint}/${account}/${name}?restype=container`;
const options = {
  method: "PUT",
  headers: { ...headers, Authorization: `SharedKey ${account}:${signature}`, "Content-Length": 0 },
};
http.request(url, options, (answer) => {
  answer.resume();
  process.exitCode = answer.statusCode === 201 ? 0 : 1;
  if (process.exitCode) console.error(`status ${answer.statusCode}`);
}).end();
