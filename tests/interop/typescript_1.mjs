// The official TypeScript client, version 1.x.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitationCompleteNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

import { byForm, connectByError, connectByText, drive, driveMinimal, minimal, program, shutDown } from './expect.mjs';

async function run(capabilities, server, use) {
  const client = new Client({ name: 'interop', version: '1.0.0' }, { capabilities });
  const told = new Promise((resolve) => {
    const hear = (notification) => resolve(notification.params.elicitationId);
    client.setNotificationHandler(ElicitationCompleteNotificationSchema, hear);
  });
  await client.connect(new StdioClientTransport(server));
  const call = (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
  await use(client, call, told);
  const { version } = client.getServerVersion();
  await shutDown(client);
  return version;
}

const version = await run({}, program('--bench'), async (client, call) => {
  await client.ping();
  await drive(client, call);
});
for (const [flag, how] of [['--unconnected', (connect) => connect], ['--form', byForm]]) {
  await run({ elicitation: { url: {} } }, program(flag), (_, call, told) => how(connectByError)(call, told));
  await run({}, program(flag), (_, call) => how(connectByText)(call));
}
await run({}, minimal(), driveMinimal);
console.log(`knows the server as ${version}, connects by page, form and text`);
