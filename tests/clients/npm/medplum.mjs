// @medplum/core does what an app does, and gets its token itself.

import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { assert, assertion, fhir, isOutcome, number, patient, places, scope, SYSTEM, tokenUrl, transaction } from './common.mjs';

/** Medplum asks without a scope, which SMART Backend Services requires: it is added on the way. */
async function withScope(url, options) {
  if (String(url) === tokenUrl) {
    const body = new URLSearchParams(options.body);
    body.set('scope', scope);
    return fetch(url, { ...options, body });
  }
  return fetch(url, options);
}

const medplum = new MedplumClient({
  baseUrl: `${new URL(fhir).origin}/`,
  fhirUrlPath: 'fhir/',
  tokenUrl,
  fetch: withScope,
  cacheTime: 0,
});

/** What a request is refused with. */
async function refused(request, code) {
  const error = await request.then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error instanceof OperationOutcomeError, String(error));
  isOutcome(error.outcome, code);
}

const statement = await medplum.get(medplum.fhirUrl('metadata'));
assert.equal(statement.resourceType, 'CapabilityStatement');

await medplum.startJwtAssertionLogin(assertion()).catch((error) => {
  // It goes on to ask for Medplum's own `auth/me`, which no other server has.
  if (!medplum.getAccessToken()) throw error;
});
assert.ok(medplum.getAccessToken());

const mrn = number();
const created = await medplum.createResource(patient('Plum', mrn));
assert.equal(created.meta.versionId, '1');
assert.deepEqual(await medplum.readResource('Patient', created.id), created);
const again = await medplum.createResourceIfNoneExist(patient('Plum', mrn), `identifier=${SYSTEM}|${mrn}`);
assert.equal(again.id, created.id);
const renamed = { ...created, name: [{ family: 'Plumley', given: ['Ada'] }] };
const updated = await medplum.updateResource(renamed, { headers: { 'If-Match': 'W/"1"' } });
assert.equal(updated.meta.versionId, '2');
await refused(medplum.updateResource({ ...renamed, gender: 'other' }, { headers: { 'If-Match': 'W/"1"' } }), 'conflict');
const patched = await medplum.patchResource('Patient', created.id, [
  { op: 'test', path: '/gender', value: 'female' },
  { op: 'replace', path: '/gender', value: 'other' },
]);
assert.equal(patched.gender, 'other');
const first = await medplum.readVersion('Patient', created.id, '1');
assert.equal(first.name[0].family, 'Plum');

const answer = await medplum.executeBatch(transaction('Plum', number(), 5));
assert.equal(answer.type, 'transaction-response');
const [mother, ...findings] = places(answer);
const seen = [];
for await (const page of medplum.searchResourcePages('Observation', { patient: mother, _sort: 'date', _count: '2' })) {
  seen.push(...page.map((one) => `Observation/${one.id}`));
}
assert.deepEqual(seen, findings);
const bundle = await medplum.search('Observation', `patient=${mother}&_include=Observation:subject&_count=1`);
assert.deepEqual(bundle.entry.map((entry) => entry.search.mode), ['match', 'include']);
const one = await medplum.searchOne('Patient', { identifier: `${SYSTEM}|${mrn}` });
assert.equal(one.id, created.id);
const back = await medplum.search('Patient', `_id=${mother.split('/')[1]}&_revinclude=Observation:subject`);
assert.equal(back.entry.length, 6);
const everything = await medplum.readPatientEverything(mother.split('/')[1]);
assert.equal(everything.entry.length, 6);
const checked = await medplum.validateResource({ resourceType: 'Patient', gender: 'female' });
isOutcome(checked);

await refused(medplum.createResource({ resourceType: 'Patient', gender: 'none' }), 'code-invalid');
await refused(medplum.readResource('Patient', 'no-such'), 'not-found');
await medplum.deleteResource('Patient', created.id);
await refused(medplum.readResource('Patient', created.id), 'deleted');
const history = await medplum.readHistory('Patient', created.id);
assert.equal(history.entry.length, 4);
console.log('@medplum/core: all held');
