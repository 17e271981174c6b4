// Reservations and leases, changed from wherever they are shown.
import { html } from './lib.js';
import { change, get, tagged } from './api.js';
import { carry, pause, tellFault, upon } from './changes.js';
import { askFor, confirm } from './layers.js';
import { dots, sentence } from './ui.js';

const key = client => encodeURIComponent(client);
const label = name => name?.split('.')[0] ?? '';

/** What is reserved for a client, or at an address; `value` is null for nothing. */
export async function look({ address, hardware, subnet }) {
  const asked = new URLSearchParams(Object.entries({ address, client: hardware }).filter(([, value]) => value));
  const { data, etag } = await tagged(`/reservations?${asked}`);
  const at = data.reservations.find(one => address && one.address === address);
  const of = data.reservations.find(one => hardware && one.clients.includes(hardware) && (!subnet || one.subnet === subnet));
  return { etag, value: at ?? of ?? null };
}

const ITS = /^(hex|duid:hex):(.*)$/;

/**
 * Whether something is reserved for somebody else than who has the lease. What is reserved for a port is whoever's is there, and
 * an address that nobody has is spoken of by its reservation.
 */
export function forOthers(reservation, lease) {
  if (!reservation || !lease.hardware || lease.state === 'none') return false;
  const id = lease.client_id ?? '';
  return !reservation.clients.some(client => {
    const [, kind, octets] = client.match(ITS) ?? [];
    if (!kind) return client === lease.hardware || / hex:/.test(client);
    const hex = octets.replaceAll(':', '');
    // A DUID comes behind a type and the number of an interface.
    return kind === 'hex' ? id === hex : /^ff/.test(id) && id.slice(10) === hex;
  });
}

// Whichever way a client is written.
const clientsOf = value => value?.clients.map(client => client.toLowerCase().replace(/[-.:]/g, '')).sort().join(' ');
const same = (one, other) => (one?.address ?? null) === (other?.address ?? null) && (one?.hostname ?? null) === (other?.hostname ?? null) && one?.subnet === other?.subnet && clientsOf(one) === clientsOf(other);
const facts = value => (value ? [['Address', value.address ?? 'from the pools'], ['Name', value.hostname ?? ''], ['For', value.clients.join(', ')]] : [['Address', 'not reserved'], ['Name', ''], ['For', '']]);

const put = (value, etag, dry) => change('PUT', `/reservations/${key(value.clients[0])}${dry ? '?dry_run=true' : ''}`, { body: { address: value.address ?? null, subnet: value.subnet, hostname: value.hostname ?? null }, etag });
const remove = (value, etag) => change('DELETE', `/reservations/${key(value.clients[0])}?subnet=${encodeURIComponent(value.subnet)}`, { etag });

/** Brings what is reserved from `seen` to `mine` (null: nothing). */
function write(of, seen, mine) {
  const make = etag => (mine ? put(mine, etag) : remove(seen.value, etag));
  return upon({ seen, look: () => look(of), write: make, same, facts, mine, heading: `What is reserved ${of.address ? `at ${of.address}` : `for ${of.hardware}`}` });
}

/** Makes that change, with its way back. */
function bring({ of, seen, mine, title, doing, undone }) {
  const id = of.address ?? of.hardware;
  return carry({
    title, doing, undone, about: id,
    write: () => write(of, seen, mine),
    undo: etag => write(of, { etag, value: mine }, seen.value),
    follow: followName(id, mine?.hostname),
  });
}

/** A value as it would be for a lease that nothing is reserved for yet. */
const fresh = lease => ({ clients: [lease.hardware], address: lease.address, subnet: lease.subnet, hostname: label(lease.name) || null });

/** Reserves the address of a lease for whoever has it. */
export async function reserve(lease) {
  const of = { address: lease.address, hardware: lease.hardware, subnet: lease.subnet };
  const seen = await found(of);
  if (!seen) return false;
  const mine = { ...fresh(lease), ...(seen.value && !forOthers(seen.value, lease) && { hostname: seen.value.hostname ?? fresh(lease).hostname }) };
  return bring({ of, seen, mine, title: `${lease.address} is reserved for ${label(lease.name) || lease.hardware}`, doing: `Reserving ${lease.address}`, undone: `${lease.address} is not reserved any more` });
}

/** Looks, and says where that is not possible. */
async function found(of) {
  try {
    return await look(of);
  } catch (error) {
    tellFault(error);
    return null;
  }
}

/** Takes out what is reserved. */
export async function unreserve(of) {
  const seen = await found(of);
  if (!seen?.value) return false;
  const what = seen.value.address ?? seen.value.clients[0];
  return bring({ of, seen, mine: null, title: `${what} is not reserved any more`, doing: `Taking out the reservation of ${what}`, undone: `${what} is reserved again` });
}

/** What the server says against a value, or nothing. */
async function against(value) {
  const { data } = await put(value, undefined, true);
  const faults = data.faults.filter(fault => fault.severity === 'fault').map(fault => `${sentence(fault.message)}.${fault.mend ? ` ${sentence(fault.mend)}.` : ''}`);
  return [...faults, ...data.refused].join(' ') || null;
}

/** Asks for another name; it is its reservation's, and makes one where there is none. */
export async function rename(lease) {
  const of = { address: lease.address, hardware: lease.hardware, subnet: lease.subnet };
  const seen = await found(of);
  if (!seen) return false;
  if (forOthers(seen.value, lease)) {
    tellFault(new Error(`${lease.address} is reserved for ${seen.value.clients.join(', ')}: its name is not this lease's.`));
    return false;
  }
  const base = seen.value ?? fresh(lease);
  const before = base.hostname ?? lease.hostname ?? '';
  const { name } = await askFor({
    heading: `Rename ${before || lease.address}`, verb: 'Rename', fields: [{ name: 'name', label: 'Name', value: before }],
    words: seen.value ? 'The name of its reservation, without the domain.' : `Without the domain. This reserves ${lease.address} for it, so that the name stays.`,
    check: ({ name }) => (name ? against({ ...base, hostname: name }) : 'A name is needed; to have none, take the reservation out.'),
  }) ?? {};
  if (!name || name === seen.value?.hostname) return false;
  return bring({ of, seen, mine: { ...base, hostname: name }, title: `It is called ${name} now`, doing: `Renaming it to ${name}`, undone: before ? `It is called ${before} again` : 'It is as it was' });
}

/** Reserves an address that nobody holds, for a client that is asked for. */
export async function reserveFor({ address, subnet }) {
  const of = { address, subnet };
  const seen = await found(of);
  if (!seen) return false;
  const value = ({ client, name }) => ({ clients: [client], address, subnet, hostname: name || null });
  const said = await askFor({
    heading: `Reserve ${address}`, verb: 'Reserve',
    fields: [{ name: 'client', label: 'For which client', hint: 'Its hardware address, such as 52:54:00:12:34:56; a client identifier as hex:01:52:54…, a DUID as duid:hex:….' },
      { name: 'name', label: 'Name, if it is to have one', hint: 'Without the domain.' }],
    check: said => (said.client ? against(value(said)) : 'It has to be said for whom.'),
  });
  if (!said) return false;
  const mine = value(said);
  return bring({ of, seen, mine, title: `${address} is reserved for ${said.name || said.client}`, doing: `Reserving ${address}`, undone: `${address} is not reserved any more` });
}

/** Ends a lease: what comes of it is said first, as it cannot be undone. */
export async function release(lease) {
  const who = label(lease.name) || lease.hostname || lease.hardware;
  const yes = await confirm({
    heading: `Release ${lease.address}?`, verb: 'Release',
    words: html`<p>${lease.reserved ? html`The lease of <b>${who}</b> ends now. The address stays reserved for it.` : html`The lease of <b>${who}</b> ends now, and others can get <span class="mono">${lease.address}</span> at once.`}</p>
      <p>${lease.name && !lease.reserved ? html`<b>${dots(lease.name)}</b> goes out of DNS with it. ` : ''}The device is not told: it goes on with the address until it asks again. This cannot be undone.</p>`,
  });
  if (!yes) return false;
  return carry({
    title: `The lease of ${lease.address} has ended`, doing: `Releasing ${lease.address}`, about: lease.address,
    write: () => change('POST', `/leases/${lease.address}/release`, { etag: lease.version }),
    follow: lease.name ? followName(lease.address, null) : undefined,
  });
}

const LOOKS = 90;

/** Follows what becomes of the names of an address in DNS; `hostname`: the one that is to be there. */
export const followName = (id, hostname) => async (say, signal) => {
  const href = `/hosts/${encodeURIComponent(id)}`;
  for (let looks = 0; looks < LOOKS; looks++) {
    await pause(looks < 10 ? 500 : 1500, signal);
    const host = await get(`/hosts/${encodeURIComponent(id)}`, signal).catch(error => (error.status === 404 ? { explanation: { records: [] } } : null));
    if (!host) continue;
    const { records } = host.explanation;
    const mine = hostname ? records.filter(one => one.rtype === 'PTR' || (one.owner || one.key).toLowerCase().startsWith(`${hostname.toLowerCase()}.`)) : records;
    const named = !hostname || mine.some(one => one.rtype === 'A');
    const refused = mine.find(one => !one.done && (one.tries > 0 || one.zone_down_since != null));
    if (refused) say({ state: 'bad', words: 'Refused by DNS', detail: sentence(dots(refused.state)), href });
    else if (named && mine.every(one => one.done) && looks > 1) {
      say({ state: 'done', words: mine.some(one => one.wanted) ? 'In DNS' : 'Nothing of it in DNS', href });
      return;
    } else if (!named && looks > 12) {
      say({ state: 'done', words: 'No name in DNS', detail: sentence(dots(host.explanation.verdict)), href });
      return;
    } else say({ state: 'doing', words: 'On its way to DNS', href });
  }
};
