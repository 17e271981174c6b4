// Drives Chromium over the page of a running daemon. `tests/it/page.rs` starts it and plays the network's part.
//
//   node drive.mjs views URL MODULES PICTURES GO
//   node drive.mjs many URL MODULES LEASES
//   node drive.mjs door URL MODULES PICTURES NAME PASSWORD
//   node drive.mjs first URL MODULES PICTURES
//   node drive.mjs forms URL MODULES PICTURES ADDRESS
//
// URL: the page. MODULES: where npm put playwright-core and axe-core. PICTURES: a directory for screenshots. GO: a file that
// appears when the network holds what the pictures are to show. LEASES: how many there are. NAME, PASSWORD: who signs in.
// ADDRESS: the one that the phone has.
import path from 'node:path';
import { DESKTOP, PATIENCE, PHONE, WATCHED, must, onStage, say, shows, until } from './browser.mjs';
import { forms } from './forms.mjs';

const [what, url, modules, ...more] = process.argv.slice(2);
const DEVICES = [['desktop', DESKTOP], ['phone', PHONE]];

/** A lease shows in views that were open before it was there, in two tabs that share a stream. */
async function live(stage) {
  const context = await stage.context(DESKTOP);
  const overview = await stage.open(context, '/');
  await shows(overview, 'No device has an address yet');
  await shows(overview, 'Nothing yet. Listening for clients');
  const leases = await stage.open(context, '/leases');
  await shows(leases, 'No leases yet');
  for (const page of [overview, leases]) {
    await shows(page, 'Live');
    await page.evaluate(() => { window.loadedOnce = true; });
  }
  say('EMPTY');
  await shows(leases, 'phone.home.example');
  await shows(overview, 'got');
  await overview.getByRole('link', { name: 'phone', exact: true }).first().waitFor({ timeout: PATIENCE });
  for (const page of [overview, leases]) must(await page.evaluate(() => window.loadedOnce === true), 'the page was loaded anew');
  await leases.getByRole('link', { name: 'phone.home.example' }).click();
  await shows(leases, 'It calls itself phone');
  await shows(leases, 'DNS holds A');
  must(/\/hosts\//.test(leases.url()), 'a name leads to its host');
  await leases.goBack();
  await shows(leases, '1 lease');
  await links(stage, context, leases);
  await phone(stage);
  await keys(overview);
  say('SEEN');
  await context.close();
}

/** What is picked in a list stands in the address of the page: steps back and forward lead through it, and a link to it. */
async function links(stage, context, page) {
  const panel = of => of.getByRole('complementary', { name: /^Lease of 192\.168\.30\./ });
  const gone = of => panel(of).waitFor({ state: 'detached', timeout: PATIENCE });
  const heads = words => page.getByRole('heading', { level: 1, name: words, exact: true }).waitFor({ timeout: PATIENCE });
  await page.bringToFront();
  await page.locator('[data-at="0"] .c-exp').click();
  await panel(page).waitFor({ timeout: PATIENCE });
  const link = new URL(page.url());
  must(/^192\.168\.30\./.test(link.searchParams.get('lease')), `the selection stands in the address: ${link}`);
  await page.goBack();
  await gone(page);
  await page.goForward();
  await panel(page).waitFor({ timeout: PATIENCE });
  await page.keyboard.press('Escape');
  await gone(page);
  must(!page.url().includes('lease='), page.url());
  const other = await stage.open(context, link.pathname + link.search);
  await panel(other).waitFor({ timeout: PATIENCE });
  // Also where the filters hide it.
  await other.getByLabel('Find in leases').fill('nobody-has-this');
  await shows(other, '0 of 1 lease');
  await other.reload();
  await shows(other, 'No lease fits');
  await panel(other).waitFor({ timeout: PATIENCE });
  await other.close();
  // A filter that is picked is a step, and the heading counts what it leaves.
  await heads('1 lease');
  await page.getByRole('button', { name: 'Ended', exact: true }).click();
  await heads('0 of 1 lease');
  await page.goBack();
  await heads('1 lease');
  await page.goForward();
  await heads('0 of 1 lease');
  await page.getByRole('button', { name: 'In use', exact: true }).click();
  await heads('1 lease');
}

/** On a phone a step back closes what lies over the list, and what can be done with a host is in a bar at the foot. */
async function phone(stage) {
  const context = await stage.context(PHONE, WATCHED);
  const page = await stage.open(context, '/leases');
  const sheet = page.getByRole('dialog');
  await page.getByRole('button', { name: /^192\.168\.30\./ }).click();
  await sheet.waitFor({ timeout: PATIENCE });
  await page.goBack();
  await sheet.waitFor({ state: 'detached', timeout: PATIENCE });
  must(/\/leases$/.test(page.url()), page.url());
  await page.goForward();
  await sheet.getByRole('button', { name: 'Close' }).click();
  await sheet.waitFor({ state: 'detached', timeout: PATIENCE });
  await page.waitForFunction(() => !location.search, null, { timeout: PATIENCE });
  await page.getByRole('button', { name: /^192\.168\.30\./ }).click();
  await sheet.getByRole('link', { name: 'Open host' }).click();
  const bar = page.getByRole('group', { name: 'What can be done' });
  await bar.getByRole('button', { name: 'Reserve' }).waitFor({ timeout: PATIENCE });
  const [below, beneath] = [await bar.boundingBox(), await page.getByRole('navigation', { name: 'Sections' }).boundingBox()];
  must(Math.abs(below.y + below.height - beneath.y) <= 2 && below.width === 390, `the bar stands upon the tabs: ${JSON.stringify([below, beneath])}`);
  for (const button of await bar.getByRole('button').all()) must((await button.boundingBox()).height >= 44, 'large enough for a finger');
  const order = await page.getByRole('heading', { level: 2 }).allTextContents();
  must(order.indexOf('Why its name is what it is') < order.indexOf('Who it is'), `the story comes first: ${order}`);
  await stage.look(page, 'a host on a phone');
  await bar.getByRole('button', { name: 'Release' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await context.close();
}

async function keys(page) {
  await page.bringToFront();
  await page.keyboard.press('/');
  await page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'combobox', null, { timeout: PATIENCE });
  await page.keyboard.type('pho');
  await page.getByRole('option', { name: /^phone\.home\.example/ }).waitFor({ timeout: PATIENCE });
  await page.keyboard.press('Enter');
  await shows(page, 'Why its name is what it is');
  // The heading has the focus after a step, some moments after what it heads is there.
  await page.waitForFunction(() => document.activeElement?.id === 'h1', null, { timeout: PATIENCE });
  for (const [key, heading] of [['s', 'subnet'], ['z', 'zone'], ['d', 'DNS holds every name'], ['h', 'host'], ['q', 'Queries'], ['e', 'Events'], ['w', 'History'], ['c', 'Configuration'], ['l', 'lease'], ['o', 'All is well']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor({ timeout: PATIENCE });
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('Find anything').waitFor({ timeout: PATIENCE });
  await page.keyboard.press('Escape');
}

const VIEWS = [
  ['overview', '/', 'need'], ['leases', '/leases?subnet=192.168.30.0%2F24', 'maria-iphone'], ['host', '/hosts/02:00:00:00:10:01', 'Why its name'], ['host-refused', '/hosts/02:00:00:00:30:01', 'is not as wanted'],
  ['subnets', '/subnets', '10.20.8.0/24'], ['subnet', '/subnets/192.168.30.0/24', 'Point at an address'], ['zones', '/zones', 'home.example'], ['zone', '/zones/home.example', 'anna-pixel'],
  ['dns-work', '/dns-work', 'probe-1'], ['hosts', '/hosts', '38 hosts'], ['queries', '/queries', 'listed in adverts'], ['upstreams', '/queries', 'blocked for everybody'], ['events', '/events', 'got'], ['history', '/history', 'Assigned'], ['configuration', '/configuration', 'In force, as it stands here'], ['leases-none', '/leases?q=nobody-has-this', 'No lease fits'],
];
const PHONE_ONLY = [['more', '/more', 'Colours']];

async function looks(stage, pictures) {
  for (const [kind, device] of DEVICES) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await stage.context(device, { colorScheme, ...WATCHED });
      for (const [name, view, text] of [...VIEWS, ...(kind === 'phone' ? PHONE_ONLY : [])]) {
        const page = await stage.open(context, view);
        await page.getByText(text).first().waitFor({ timeout: PATIENCE, state: 'attached' });
        await page.waitForTimeout(400);
        const picture = `${name}-${kind}-${colorScheme}`;
        await page.screenshot({ path: path.join(pictures, `${picture}.png`) });
        await stage.look(page, picture);
        await page.close();
      }
      await context.close();
    }
  }
}

/** The page behind its door: signing in, what is live then, signing out. The certificate is of the daemon's own making. */
async function door(stage, pictures, name, password) {
  for (const [kind, device] of DEVICES) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await stage.context(device, { colorScheme, ...WATCHED });
      const page = await stage.open(context, '/leases');
      await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor({ timeout: PATIENCE });
      await page.waitForTimeout(400);
      await page.screenshot({ path: path.join(pictures, `sign-in-${kind}-${colorScheme}.png`) });
      await stage.look(page, `sign-in-${kind}-${colorScheme}`);
      await context.close();
    }
  }
  const context = await stage.context(DESKTOP);
  const page = await stage.open(context, '/leases');
  const answers = [];
  page.on('response', response => answers.push(`${response.status()} ${new URL(response.url()).pathname}`));
  const fill = async word => {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(word);
    await page.keyboard.press('Enter');
  };
  await page.getByLabel('Name').waitFor({ timeout: PATIENCE });
  await page.waitForFunction(() => document.activeElement?.id === 'name', null, { timeout: PATIENCE }); // the first field
  await fill(`${password}?`);
  await page.getByRole('alert').getByText('do not belong together').waitFor({ timeout: PATIENCE });
  await page.waitForFunction(() => document.activeElement?.id === 'password', null, { timeout: PATIENCE }); // after a wrong one
  must((await page.getByLabel('Password').inputValue()) === '', 'a wrong password does not stay');
  must(!answers.some(answer => answer.includes('/leases')), 'nothing is asked for before one has signed in');
  await fill(password);
  await shows(page, 'No leases yet');
  await shows(page, `${name} · operate`);
  say('EMPTY');
  await shows(page, 'phone.home.example');
  say('SEEN');
  must(await page.evaluate(() => document.cookie) === '', 'no script sees the cookie');
  await page.reload();
  await shows(page, 'phone.home.example');
  // Another tab: what ends in one ends in all, and what was shown stays beneath.
  const other = await stage.open(context, '/subnets');
  await shows(other, '192.168.30.0/24');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor({ timeout: PATIENCE });
  const again = other.getByRole('dialog', { name: 'Sign in again' });
  await again.waitFor({ timeout: PATIENCE });
  await again.getByLabel('Name').fill(name);
  await again.getByLabel('Password').fill(password);
  await other.keyboard.press('Enter');
  await again.waitFor({ state: 'detached', timeout: PATIENCE });
  await shows(other, '192.168.30.0/24');
  await page.getByRole('link', { name: 'phone', exact: true }).first().waitFor({ timeout: PATIENCE });
  await context.close();
  // What a browser says of wrong passwords and ended sessions is no fault of the page.
  stage.forgive(/status of 401/);
}

/** A long list is a few nodes, from its first row to its last. */
async function many(stage, leases) {
  const context = await stage.context(DESKTOP);
  const page = await stage.open(context, '/leases');
  const rows = page.locator('[data-at]');
  const last = page.locator(`[data-at="${leases - 1}"] a`).first();
  await page.getByRole('heading', { level: 1, name: `${leases.toLocaleString('en-GB')} leases` }).waitFor({ timeout: PATIENCE });
  await page.locator('[data-at="0"] a').first().waitFor({ timeout: PATIENCE });
  const first = await page.evaluate(() => performance.now());
  must(await rows.count() < 80, `${await rows.count()} rows at the beginning`);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await last.waitFor({ timeout: PATIENCE });
  must(await rows.count() < 80, `${await rows.count()} rows at the end`);
  const bottom = await last.textContent();
  await page.evaluate(() => scrollTo(0, 0));
  await page.getByRole('button', { name: 'Address' }).click();
  await page.locator('[data-at="0"] a').first().getByText(bottom, { exact: true }).waitFor({ timeout: PATIENCE });
  await page.getByLabel('Find in leases').fill(bottom);
  await page.waitForFunction(() => document.querySelectorAll('[data-at]').length === 1, null, { timeout: PATIENCE });
  say(`the first row was there ${Math.round(first)} ms after the page was asked for`);
  await context.close();
}

/** What a new user sees on a phone: the first lease. */
async function first(stage, pictures) {
  const context = await stage.context(PHONE);
  const page = await stage.open(context, '/leases');
  await shows(page, 'phone.home.example');
  await shows(page, '1 lease');
  await page.waitForTimeout(300);
  await page.screenshot({ path: path.join(pictures, 'first-lease-phone-light.png') });
  // The whole row opens what is known of it, and that leads to its host.
  await page.getByRole('button', { name: /^192\.168\.30\./ }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Open host' }).click();
  await shows(page, 'It calls itself phone');
  await context.close();
}

await onStage(url, modules, async stage => {
  if (what === 'first') await first(stage, more[0]);
  else if (what === 'many') await many(stage, Number(more[0]));
  else if (what === 'forms') await forms(stage, ...more);
  else if (what === 'door') await door(stage, ...more);
  else {
    const [pictures, go] = more;
    await live(stage);
    await until(go);
    await looks(stage, pictures);
  }
});
