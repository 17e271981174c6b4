// What can be done with a lease, and with what is reserved for it.
import { html } from '../lib.js';
import { useApi } from '../api.js';
import { useChanged } from '../changes.js';
import { may, useMe } from '../me.js';
import { forOthers, release, rename, reserve, unreserve } from '../reservations.js';
import { Icon } from '../ui.js';

/** What is reserved for a client or at an address; null while that is not known, and where nothing is. */
export function useReservation({ address, hardware, subnet }) {
  const asked = new URLSearchParams(Object.entries({ address, client: hardware }).filter(([, value]) => value));
  const { data, reload } = useApi(asked.size ? `/reservations?${asked}` : null);
  useChanged(reload, [reload]);
  const all = data?.reservations ?? [];
  return all.find(one => address && one.address === address) ?? all.find(one => one.clients.includes(hardware) && (!subnet || one.subnet === subnet)) ?? null;
}

/**
 * The buttons for whoever may; for others nothing. `left` closes what lies over the page: what is done shows there, and what
 * is asked comes there.
 */
export function LeaseActs({ lease, left = () => {} }) {
  useMe();
  const reservation = useReservation(lease);
  if (!may('operate')) return null;
  const act = (doing, subject = lease) => () => { left(); doing(subject); };
  const written = reservation && !reservation.made;
  const others = forOthers(reservation, lease) ? reservation.clients.join(', ') : null;
  return html`${!lease.reserved && html`<button type="button" class="btn pri" aria-keyshortcuts="r" onClick=${act(reserve)}><${Icon} name="bookmark" small/>Reserve</button>`}
    ${!written && !others && html`<button type="button" class="btn" onClick=${act(rename)}><${Icon} name="pencil" small/>Rename</button>`}
    ${reservation?.made && html`<button type="button" class="btn" onClick=${act(unreserve)}><${Icon} name="x" small/>Unreserve</button>`}
    ${lease.state === 'bound' && html`<button type="button" class="btn" onClick=${act(release)}><${Icon} name="log-out" small/>Release</button>`}
    ${written ? html`<p class="why sm dim">Its reservation stands in the main configuration file, and is changed there.</p>` : others && html`<p class="why sm dim">Reserved for <span class="mono">${others}</span>.</p>`}`;
}
