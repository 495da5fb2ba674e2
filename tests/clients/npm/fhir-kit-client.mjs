// fhir-kit-client does what an app does.

import { CapabilityTool, Client } from 'fhir-kit-client';
import { accessToken, assert, fhir, isOutcome, number, patient, places, SYSTEM, tokenUrl, transaction } from './common.mjs';

const client = new Client({ baseUrl: fhir });

/** What a request is refused with. */
async function refused(request, status, code) {
  const error = await request.then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.equal(error.response?.status, status, `${error} ${JSON.stringify(error.response)}`);
  isOutcome(error.response.data, code);
}

// Where tokens are, and what the server can do.
const smart = await client.smartAuthMetadata();
assert.equal(String(smart.tokenUrl), tokenUrl);
const statement = await client.capabilityStatement();
const tool = new CapabilityTool(statement);
assert.ok(tool.interactionCheck ? true : statement.fhirVersion === '4.0.1');
const listed = statement.rest[0].resource.find((one) => one.type === 'Observation');
assert.ok(listed.searchParam.some((param) => param.name === 'value-quantity'));

await refused(client.search({ resourceType: 'Patient', searchParams: { name: 'x' } }), 401, 'login');
client.bearerToken = await accessToken();

// Create, read, vread, update with If-Match, patch.
const mrn = number();
const created = await client.create({ resourceType: 'Patient', body: patient('Kit', mrn) });
assert.equal(created.meta.versionId, '1');
const at = { resourceType: 'Patient', id: created.id };
assert.deepEqual(await client.read(at), created);
const ifMatch = (version) => ({ headers: { 'If-Match': `W/"${version}"` } });
const renamed = { ...created, name: [{ family: 'Kitson', given: ['Ada'] }] };
const updated = await client.update({ ...at, body: renamed, options: ifMatch(1) });
assert.equal(updated.meta.versionId, '2');
await refused(client.update({ ...at, body: renamed, options: ifMatch(1) }), 412, 'conflict');
const patched = await client.patch({ ...at, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }] });
assert.equal(patched.gender, 'other');
const first = await client.vread({ ...at, version: '1' });
assert.equal(first.name[0].family, 'Kit');

// A transaction, and searches over what it wrote: pages, includes, chains, by form.
const family = `Kit${number().slice(0, 8)}`;
const answer = await client.transaction({ body: transaction(family, number(), 5) });
assert.equal(answer.type, 'transaction-response');
const [mother, ...findings] = places(answer);
const search = (searchParams, options) => client.search({ resourceType: 'Observation', searchParams, options });
let page = await search({ patient: mother, _sort: '-date', _count: 2, _total: 'accurate' });
assert.equal(page.total, 5);
const seen = [];
for (; page; page = await client.nextPage({ bundle: page })) {
  assert.ok(page.entry.length <= 2);
  seen.push(...page.entry.map((entry) => `Observation/${entry.resource.id}`));
}
assert.deepEqual(seen, findings.slice().reverse());
const included = await search({ patient: mother, 'value-quantity': 'gt64||kg', _include: 'Observation:subject' });
assert.deepEqual(included.entry.map((entry) => entry.search.mode), ['match', 'include']);
assert.equal(`Patient/${included.entry[1].resource.id}`, mother);
const chained = await search({ 'patient.family': family, patient: mother, _total: 'accurate' }, { postSearch: true });
assert.equal(chained.total, 5);
const byNumber = await client.search({ resourceType: 'Patient', searchParams: { identifier: `${SYSTEM}|${mrn}` } });
assert.equal(byNumber.entry[0].resource.id, created.id);

// A batch, operations.
const batch = await client.batch({
  body: {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [{ request: { method: 'GET', url: mother } }, { request: { method: 'GET', url: 'Patient/no-such' } }],
  },
});
assert.deepEqual(batch.entry.map((entry) => entry.response.status.slice(0, 3)), ['200', '404']);
isOutcome(batch.entry[1].response.outcome, 'not-found');
const everything = await client.operation({ ...at, id: mother.split('/')[1], name: 'everything', method: 'GET' });
assert.equal(everything.entry.length, 6);
const checked = await client.operation({
  resourceType: 'Patient', name: 'validate', method: 'POST', input: { resourceType: 'Patient', gender: 'none' },
});
isOutcome(checked, 'code-invalid');

// Refusals, history, delete.
await refused(client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', shoe: 38 } }), 422);
await refused(search({ 'no-such-parameter': 'x', patient: mother }, { headers: { Prefer: 'handling=strict' } }), 400);
await refused(client.read({ resourceType: 'Patient', id: 'no-such' }), 404, 'not-found');
await client.delete(at);
await refused(client.read(at), 410, 'deleted');
const history = await client.history(at);
assert.deepEqual(history.entry.map((entry) => entry.request.method), ['DELETE', 'PUT', 'PUT', 'POST']);
console.log('fhir-kit-client: all held');
