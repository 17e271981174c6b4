// Static records, added, changed and removed.
import { html, useLayoutEffect, useRef, useState } from './lib.js';
import { change, get, tagged } from './api.js';
import { carry, pause, tellFault, upon } from './changes.js';
import { Dialog, confirm, openDialog } from './layers.js';
import { Icon, dots, plural, sentence } from './ui.js';

const TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'NS', 'PTR', 'CAA', 'HTTPS', 'SSHFP', 'TLSA'];
const EXAMPLES = {
  A: '192.168.30.2', AAAA: '2001:db8::2', CNAME: 'web', MX: '10 mail', TXT: 'any text', SRV: '0 5 5060 sip', NS: 'ns2', PTR: 'nas.home.example.',
  CAA: '0 issue "letsencrypt.org"', HTTPS: '1 . alpn=h2', SSHFP: '4 2 1234…', TLSA: '3 1 1 0C72…',
};

/** A name as the API wants it: relative to the zone. What ends as the zone does is meant to be full. */
export function relative(name, zone) {
  const full = name.trim().replace(/\.$/, '').toLowerCase();
  if (full === zone || full === '@' || full === '') return '@';
  if (full.endsWith(`.${zone}`)) return full.slice(0, -zone.length - 1);
  return name.trim();
}

/** Of several zones with one name the view says which one is meant. */
const path = ({ zone, view, name, rtype }, dry) => {
  const asked = [view && `view=${encodeURIComponent(view)}`, dry && 'dry_run=true'].filter(Boolean).join('&');
  return `/zones/${encodeURIComponent(zone)}/records/${encodeURIComponent(relative(name, zone))}/${encodeURIComponent(rtype)}${asked && `?${asked}`}`;
};
const words = ({ zone, view, name, rtype }) => `${rtype} of ${relative(name, zone) === '@' ? zone : `${relative(name, zone)}.${zone}`}${view ? ` for ${view}` : ''}`;

/** The records of a name and type that were made so; `value` is null for none. */
async function look(key) {
  try {
    const { data, etag } = await tagged(path(key));
    return { etag, value: { data: data.data, ttl: data.ttl ?? null } };
  } catch (error) {
    if (error.status === 404) return { etag: null, value: null };
    throw error;
  }
}

const put = (key, value, etag, dry) => change('PUT', path(key, dry), { body: { data: value.data, ttl: value.ttl }, ...(dry ? {} : etag ? { etag } : { anew: true }) });
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const facts = value => (value ? [['Data', value.data.join('\n')], ['Time to live', value.ttl == null ? "the zone's" : `${value.ttl} s`]] : [['Data', 'no record'], ['Time to live', '']]);

const write = (key, seen, mine) => upon({
  seen, mine, same, facts, look: () => look(key), heading: words(key),
  write: etag => (mine ? put(key, mine, etag) : change('DELETE', path(key), { etag })),
});

function bring({ key, seen, mine, title, doing, undone }) {
  return carry({
    title, doing, undone, about: path(key),
    write: () => write(key, seen, mine),
    undo: etag => write(key, { etag, value: mine }, seen.value),
    follow: follow(key),
  });
}

const LOOKS = 60;

/** Whether DNS follows: an embedded zone has it at once, another server's when it has answered. */
const follow = key => async (say, signal) => {
  const full = relative(key.name, key.zone) === '@' ? key.zone : `${relative(key.name, key.zone)}.${key.zone}`;
  const href = `/dns-work?q=${encodeURIComponent(full)}`;
  for (let looks = 0; looks < LOOKS; looks++) {
    await pause(looks < 5 ? 400 : 1500, signal);
    const work = await get(`/dns-work?q=${encodeURIComponent(full)}`, signal).catch(() => null);
    const row = work?.rows.find(one => one.rtype === key.rtype.toUpperCase() && one.key.replace(/\.$/, '') === full);
    if (row?.state === 'refused') say({ state: 'bad', words: 'Refused by DNS', detail: sentence(dots(row.words)), href });
    else if (row) say({ state: 'doing', words: 'On its way to DNS', href });
    else if (work) { say({ state: 'done', words: 'In DNS' }); return; }
  }
};

async function found(key) {
  try {
    return await look(key);
  } catch (error) {
    tellFault(error);
    return null;
  }
}

/** What the server says against records, or nothing. */
async function against(key, value) {
  const { data } = await put(key, value, null, true);
  const faults = data.faults.filter(fault => fault.severity === 'fault').map(fault => `${sentence(fault.message)}: ${fault.mend}.`);
  return [...faults, ...data.refused].join(' ') || null;
}

/** Asks for records of a zone, and puts them. */
export async function add(zone, view) {
  const asked = await openDialog(close => html`<${Form} zone=${zone} view=${view} close=${close}/>`);
  if (!asked) return false;
  const { key, value } = asked;
  const seen = await found(key);
  if (!seen) return false;
  // Somebody who adds means what is there to stay.
  const mine = seen.value ? { data: [...new Set([...seen.value.data, ...value.data])], ttl: value.ttl ?? seen.value.ttl } : value;
  return bring({ key, seen, mine, title: `${words(key)} is there`, doing: `Adding ${words(key)}`, undone: seen.value ? `${words(key)} is as it was` : `${words(key)} is gone again` });
}

/** Changes or removes the records of a name and type. */
export async function edit(row, zone, view) {
  const key = { zone, view, name: row.name, rtype: row.rtype };
  const seen = await found(key);
  if (!seen) return false;
  if (!seen.value) { tellFault(new Error('Somebody else has removed it meanwhile.')); return false; }
  const asked = await openDialog(close => html`<${Form} zone=${zone} view=${view} row=${row} value=${seen.value} close=${close}/>`);
  if (!asked) return false;
  if (asked.remove) {
    const many = seen.value.data.length > 1;
    if (many && !await confirm({ heading: `Remove ${words(key)}?`, verb: 'Remove', words: html`<p>All ${plural(seen.value.data.length, 'record')} of this name and type go out of DNS.</p>` })) return false;
    return bring({ key, seen, mine: null, title: `${words(key)} is gone`, doing: `Removing ${words(key)}`, undone: `${words(key)} is there again` });
  }
  if (same(asked.value, seen.value)) return false;
  return bring({ key, seen, mine: asked.value, title: `${words(key)} has changed`, doing: `Changing ${words(key)}`, undone: `${words(key)} is as it was` });
}

const ttlOf = text => (/^\d+$/.test(text) && Number(text) > 0 && Number(text) < 2 ** 31 ? Number(text) : null);

function Form({ zone, view, row, value, close }) {
  const [name, setName] = useState(row ? relative(row.name, zone) : '');
  const [rtype, setType] = useState(row?.rtype ?? 'A');
  const [data, setData] = useState(value?.data.join('\n') ?? '');
  const [ttl, setTtl] = useState(value?.ttl != null ? String(value.ttl) : '');
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const first = useRef();
  useLayoutEffect(() => first.current.focus(), []);
  const submit = async event => {
    event.preventDefault();
    if (busy) return;
    const lines = data.split('\n').map(line => line.trim()).filter(Boolean);
    const key = { zone, view, name: row ? row.name : name, rtype };
    const mine = { data: lines, ttl: ttl.trim() ? ttlOf(ttl.trim()) : null };
    if (!lines.length) { setFault('Write the data of one record a line.'); return; }
    if (ttl.trim() && mine.ttl == null) { setFault('The time to live is a number of seconds, such as 300.'); return; }
    setBusy(true);
    const wrong = await against(key, mine).catch(error => error.message);
    setBusy(false);
    setFault(wrong);
    if (!wrong) close({ key, value: mine });
  };
  const box = (id, label, field, hint) => html`<div class="form-row"><label for=${id}>${label}</label>${field}${hint && html`<p class="dim sm" id=${`${id}-hint`}>${hint}</p>`}</div>`;
  return html`<${Dialog} heading=${row ? `Change ${words({ zone, view, name: row.name, rtype })}` : `Add a record to ${zone}${view ? ` for ${view}` : ''}`} close=${() => close()}><form class="ask-form" onSubmit=${submit}>
    ${!row && html`<div class="form-two">${box('rec-name', 'Name', html`<div class="field"><input id="rec-name" ref=${first} autocomplete="off" autocapitalize="none" spellcheck="false" placeholder="www" aria-describedby="rec-name-hint" value=${name} onInput=${event => setName(event.target.value)}/></div>`, html`Before <span class="wrap">.${zone}</span>; <span class="mono">@</span> is the zone itself`)}
      ${box('rec-type', 'Type', html`<select id="rec-type" value=${rtype} onChange=${event => setType(event.target.value)}>${TYPES.map(one => html`<option key=${one} value=${one}>${one}</option>`)}</select>`)}</div>`}
    ${box('rec-data', 'Data', html`<textarea id="rec-data" ref=${row ? first : undefined} class="area mono" rows="3" spellcheck="false" autocapitalize="none" aria-describedby="rec-data-hint" placeholder=${EXAMPLES[rtype] ?? ''} value=${data} onInput=${event => { setData(event.target.value); setFault(null); }}></textarea>`, 'One record a line, as in a zone file')}
    ${box('rec-ttl', 'Time to live, in seconds', html`<div class="field"><input id="rec-ttl" inputmode="numeric" autocomplete="off" placeholder="the zone's" value=${ttl} onInput=${event => { setTtl(event.target.value); setFault(null); }}/></div>`)}
    <div role="alert">${fault && html`<p class="problem"><${Icon} name="octagon-x"/><span class="wrap">${fault}</span></p>`}</div>
    <div class="ask-end">${row && html`<button type="button" class="btn danger" onClick=${() => close({ remove: true })}>Remove</button>`}<button type="button" class="btn" onClick=${() => close()}>Cancel</button><button type="submit" class="btn pri" aria-disabled=${String(busy)}>${row ? 'Change' : 'Add'}</button></div></form></${Dialog}>`;
}
