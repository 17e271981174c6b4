// Signing in: as a view of its own for whoever comes, and over what is shown where a session has ended.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib.js';
import { own, signIn } from '../me.js';
import { Icon, plural } from '../ui.js';

function Form({ heading, children }) {
  const [name, setName] = useState(own.me?.name ?? '');
  const [password, setPassword] = useState('');
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const [wait, setWait] = useState(0);
  const first = useRef();
  const secret = useRef();
  useLayoutEffect(() => { first.current?.focus(); }, []);
  useEffect(() => {
    if (!wait) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async event => {
    event.preventDefault();
    if (busy || wait) return;
    setBusy(true);
    setFault(null);
    try {
      await signIn(name.trim(), password);
    } catch (error) {
      setFault(error.status === 401 ? 'Name and password do not belong together.' : error.status === 429 ? 'Too many wrong attempts.' : error.message);
      setWait(error.status === 429 ? error.wait : 0);
      setPassword('');
      setBusy(false);
      secret.current?.focus();
    }
  };
  return html`<form class="sign-in" onSubmit=${submit}>
    <h1 id="h1" tabindex="-1">${heading}</h1><p class="dim">${children}</p>
    <label for="name">Name</label>
    <div class="field"><input id="name" ref=${first} name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64" value=${name} onInput=${event => setName(event.target.value)}/></div>
    <label for="password">Password</label>
    <div class="field"><input id="password" ref=${secret} name="password" type="password" autocomplete="current-password" required aria-invalid=${fault ? 'true' : undefined} aria-describedby=${fault ? 'sign-in-fault' : undefined} value=${password} onInput=${event => setPassword(event.target.value)}/></div>
    <div role="alert" id="sign-in-fault">${fault && html`<p class="problem"><${Icon} name="octagon-x"/><span>${fault}${wait > 0 && ` Try again in ${plural(wait, 'second')}.`}</span></p>`}</div>
    <button class="btn pri" type="submit" aria-disabled=${String(busy || wait > 0)}>${busy ? 'Signing in' : 'Sign in'}</button></form>`;
}

export function SignIn({ brand }) {
  useEffect(() => { document.title = 'Sign in · Leasehold'; }, []);
  return html`<main class="door" id="main">${brand}<div class="card">${own.me.can_sign_in
    ? html`<${Form} heading="Sign in">to ${location.hostname}</${Form}>`
    : html`<div class="empty"><${Icon} name="log-in"/><h1 id="h1">Nobody can sign in here yet</h1><p>The configuration has no users. <code>leasehold web password</code> on the server makes one.</p></div>`}</div></main>`;
}

/** What was on the page, and what was typed there, stays beneath. */
export function SignInAgain() {
  const box = useRef();
  useEffect(() => { box.current.showModal(); }, []);
  return html`<dialog ref=${box} aria-label="Sign in again" onCancel=${event => event.preventDefault()}><${Form} heading="Sign in again">Your session has ended. What you were at is still here.</${Form}></dialog>`;
}
