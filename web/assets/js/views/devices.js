// Devices that nobody knew: who waits for an address, and what was decided of whom.
import { html, useRef, useState } from '../lib.js';
import { change, useApi } from '../api.js';
import { carry, useChanged } from '../changes.js';
import { useEvents } from '../live.js';
import { may, useMe } from '../me.js';
import { Icon, Time, plural } from '../ui.js';

const DONE = { approve: 'is approved', deny: 'is denied', forget: 'is known no more' };
const BACK = { waiting: 'forget', approved: 'approve', denied: 'deny' };

function useDevices() {
  const asked = useApi('/devices');
  const soon = useRef(0);
  useChanged(asked.reload, [asked.reload]);
  useEvents(({ events, gap }) => {
    if (gap || events.some(one => one.kind === 'waiting' || one.kind === 'bound')) { clearTimeout(soon.current); soon.current = setTimeout(asked.reload, 300); }
  }, [asked.reload]);
  return asked.data ?? [];
}

const put = (device, verdict, etag) => change('PUT', `/devices/${encodeURIComponent(device.hardware)}`, { body: { verdict }, etag });

function decide(device, verdict) {
  const who = device.hostname || device.hardware;
  return carry({
    title: `${who} ${DONE[verdict]}`, doing: `Deciding about ${who}`, undone: device.state === 'waiting' ? `${who} is to be decided about, and waits as soon as it asks again` : `${who} is ${device.state} again`,
    write: () => put(device, verdict, device.version), undo: etag => put(device, BACK[device.state], etag),
  });
}

function Device({ device }) {
  const about = [device.hostname && device.hardware, device.vendor_class, device.place, device.interface && `on ${device.interface}`].filter(Boolean).join(' · ');
  const [icon, kind] = { waiting: ['clock', 'warn'], approved: ['circle-check', 'ok'], denied: ['octagon-x', 'bad'] }[device.state];
  const verbs = { waiting: ['approve', 'deny'], approved: ['forget', 'deny'], denied: ['approve', 'forget'] }[device.state];
  const words = { approve: 'Approve', deny: 'Deny', forget: 'Forget' };
  const who = device.hostname || device.hardware;
  return html`<li><${Icon} name=${icon} kind=${kind} small label=${device.state}/><span class="t">${who}</span>
    <span class="sub">${about}${device.state === 'waiting' ? html`${about && ' · '}asked ${plural(device.times, 'time')}, last <${Time} at=${device.last_seen} until/>` : html`${about && ' · '}${device.state} <${Time} at=${device.decided_at} until/>`}</span>
    ${may('operate') && html`<span class="acts">${verbs.map(verb => html`<button type="button" key=${verb} class=${`btn ${verb === 'approve' ? 'pri' : ''}`} aria-label=${`${words[verb]} ${who}`} onClick=${() => decide(device, verb)}>${words[verb]}</button>`)}</span>`}</li>`;
}

/** Those who wait; nothing where nobody does. `decided`: also of whom something was decided. */
export function Devices({ decided }) {
  useMe();
  const all = useDevices();
  const [most, setMost] = useState(20);
  const waiting = all.filter(one => one.state === 'waiting');
  const others = decided ? all.filter(one => one.state !== 'waiting') : [];
  return html`${waiting.length > 0 && html`<section class="sec" aria-labelledby="wait-h"><header><h2 id="wait-h">${plural(waiting.length, 'device waits', 'devices wait')} for approval</h2></header><div class="card"><ul class="wait">${waiting.slice(0, most).map(one => html`<${Device} key=${one.hardware} device=${one}/>`)}</ul></div>${waiting.length > most && html`<button type="button" class="btn more-btn" onClick=${() => setMost(most + 100)}>Show more</button>`}</section>`}
    ${others.length > 0 && html`<details class="sec"><summary>${plural(others.length, 'device was decided about', 'devices were decided about')}</summary><div class="card"><ul class="wait">${others.slice(0, most).map(one => html`<${Device} key=${one.hardware} device=${one}/>`)}</ul></div>${others.length > most && html`<button type="button" class="btn more-btn" onClick=${() => setMost(most + 100)}>Show more</button>`}</details>`}`;
}
