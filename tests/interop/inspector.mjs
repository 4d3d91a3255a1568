// The inspector's command line, in the era that the argument names. The inspector starts a server for each command, and cannot
// cancel a call.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

import { names, program } from './expect.mjs';

const era = process.argv[2];

function inspect(...request) {
  const { command, args } = program('--bench');
  const server = ['--cli', command, ...args, '--protocol-era', era, '--method', ...request];
  const run = spawnSync(process.execPath, [process.env.MCP_INSPECTOR, ...server], { encoding: 'utf8', timeout: 60_000 });
  return { code: run.status, said: run.stdout + run.stderr, result: () => JSON.parse(run.stdout) };
}

function call(name, values) {
  return inspect('tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(values));
}

const { tools } = inspect('tools/list', '--strict').result();
assert.deepEqual(tools.map((tool) => tool.name), names);
assert.equal(call('echo', { text: 'grüße\n' }).result().content[0].text, 'grüße\n');
assert.match(call('list_repos', { limit: 1 }).result().content[0].text, /hello-world/);

const refused = call('fetch', { path: '//evil.example' });
assert.notEqual(refused.code, 0);
assert.match(refused.said, /two slashes/);
const unknown = call('no_such_tool', {});
assert.notEqual(unknown.code, 0);
console.log(`${tools.length} tools, no problem with their schemas`);
