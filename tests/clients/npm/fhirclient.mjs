// fhirclient, SMART's own library, does what an app does; its token is one of Backend Services.

import smart from 'fhirclient';
import { accessToken, assert, fhir, isOutcome, number, patient, places, transaction } from './common.mjs';

// Its face in Node wants the request of a web server; there is none here.
const request = { headers: { host: 'localhost' }, url: '/', protocol: 'http' };
const storage = { get: async () => undefined, set: async () => undefined, unset: async () => undefined };
const api = smart(request, {}, storage);
const client = api.client({ serverUrl: fhir, tokenResponse: { access_token: await accessToken() } });

/** What a request is refused with. */
async function refused(asked, status, code) {
  const error = await asked.then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.equal(error.status ?? error.statusCode, status, String(error));
  if (code) {
    assert.match(String(error), new RegExp(code), String(error));
  }
}

const statement = await client.request('metadata');
assert.equal(statement.resourceType, 'CapabilityStatement');

const created = await client.create(patient('Smart', number()));
assert.equal(created.meta.versionId, '1');
assert.deepEqual(await client.request(`Patient/${created.id}`), created);
const renamed = { ...created, name: [{ family: 'Smartt', given: ['Ada'] }] };
const ifMatch = { headers: { 'If-Match': 'W/"1"' } };
const updated = await client.update(renamed, ifMatch);
assert.equal(updated.meta.versionId, '2');
await refused(client.update(renamed, ifMatch), 412, 'another version');
const patched = await client.patch(`Patient/${created.id}`, [{ op: 'replace', path: '/gender', value: 'other' }]);
assert.equal(patched.gender, 'other');
const first = await client.request(`Patient/${created.id}/_history/1`);
assert.equal(first.name[0].family, 'Smart');

const answer = await client.request({
  url: fhir,
  method: 'POST',
  headers: { 'content-type': 'application/fhir+json' },
  body: JSON.stringify(transaction('Smart', number(), 5)),
});
const [mother, ...findings] = places(answer);
const query = `Observation?patient=${mother}&_sort=date&_count=2`;
const all = await client.request(query, { pageLimit: 0, flat: true });
assert.deepEqual(all.map((one) => `Observation/${one.id}`), findings);
const resolved = await client.request(query, { pageLimit: 0, flat: true, resolveReferences: ['subject'] });
assert.ok(resolved.every((one) => `Patient/${one.subject.id}` === mother), JSON.stringify(resolved[0]));
const included = await client.request(`Observation?patient=${mother}&_count=1&_include=Observation:subject`);
assert.deepEqual(included.entry.map((entry) => entry.search.mode), ['match', 'include']);

await refused(client.create({ resourceType: 'Patient', gender: 'none' }), 422);
await refused(client.request('Patient/no-such'), 404, 'no such resource');
await client.delete(`Patient/${created.id}`);
await refused(client.request(`Patient/${created.id}`), 410, 'deleted');
const history = await client.request(`Patient/${created.id}/_history`);
assert.equal(history.entry.length, 4);
isOutcome(await client.request({
  url: 'Patient/$validate',
  method: 'POST',
  headers: { 'content-type': 'application/fhir+json' },
  body: JSON.stringify({ resourceType: 'Patient', active: true }),
}));
console.log('fhirclient: all held');
