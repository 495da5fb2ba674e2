// What all clients of JavaScript share: the demonstration's addresses and keys, a signed assertion, small words for checks.

import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const path = process.env.HORKOS_DEMO;
assert.ok(path, 'HORKOS_DEMO must name demo.json of a running demonstration');
const demo = JSON.parse(readFileSync(path, 'utf8'));
const gateway = demo.organisations.find((one) => one.gateway).gateway;
const registration = gateway.clients[0];

export const fhir = gateway.fhir;
export const tokenUrl = gateway.token;
export const clientId = registration.id;
export const scope = registration.scopes;

const base64url = (text) => Buffer.from(text).toString('base64url');

/** A client assertion as SMART Backend Services wants it, with the purpose of use in the B2B extension. */
export function assertion() {
  const { keys } = JSON.parse(readFileSync(registration.jwks, 'utf8'));
  const now = Math.floor(Date.now() / 1000);
  const head = { alg: registration.alg, typ: 'JWT', kid: keys[0].kid };
  const purpose = registration.purposes[0];
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: tokenUrl,
    iat: now,
    exp: now + 120,
    jti: randomUUID(),
    extensions: {
      'hl7-b2b': {
        version: '1',
        organization_id: fhir,
        purpose_of_use: [`urn:oid:2.16.840.1.113883.5.8#${purpose}`],
      },
    },
  };
  const signed = `${base64url(JSON.stringify(head))}.${base64url(JSON.stringify(claims))}`;
  const key = createPrivateKey(readFileSync(registration.key));
  return `${signed}.${sign('sha384', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** An access token, for clients that get none themselves. */
export async function accessToken() {
  const response = await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion(),
      scope,
    }),
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer.access_token;
}

/** A number that no other run has given to a patient. */
export const number = () => randomUUID();
export const SYSTEM = 'urn:example:clients:numbers';

export const patient = (family, value) => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value }],
  name: [{ family, given: ['Ada'] }],
  gender: 'female',
  birthDate: '1984-02-29',
});

export const observation = (subject, value) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }] },
  subject: { reference: subject },
  effectiveDateTime: `2026-03-0${value}`,
  valueQuantity: { value: 60 + value, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
});

/** A transaction: a patient and so many findings about her, tied together by urn:uuid. */
export function transaction(family, value, findings) {
  const mother = `urn:uuid:${randomUUID()}`;
  const entry = (fullUrl, resource) => ({
    fullUrl,
    resource,
    request: { method: 'POST', url: resource.resourceType },
  });
  const entries = [entry(mother, patient(family, value))];
  for (let at = 1; at <= findings; at += 1) {
    entries.push(entry(`urn:uuid:${randomUUID()}`, observation(mother, at)));
  }
  return { resourceType: 'Bundle', type: 'transaction', entry: entries };
}

/** `Type/id` of each entry of a transaction's answer. */
export const places = (answer) =>
  answer.entry.map((entry) => entry.response.location.split('/_history/')[0].split('/').slice(-2).join('/'));

export function isOutcome(body, code) {
  assert.equal(body?.resourceType, 'OperationOutcome', JSON.stringify(body));
  assert.ok(body.issue.length > 0);
  if (code) {
    assert.equal(body.issue[0].code, code, JSON.stringify(body));
  }
}

export { assert };
