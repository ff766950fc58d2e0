// SPDX-License-Identifier: MIT
// Asks for status.json and shows it. It keeps nothing and changes nothing; the last minutes come with each answer.
"use strict";

const EVERY_MS = 2000;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

let held = false;
let timer = 0;

// Texts come from whoever connects: they become text, never markup.
function element(name, properties = {}, ...children) {
	const e = document.createElement(name);
	Object.assign(e, properties);
	e.append(...children);
	return e;
}

function shape(name, attributes) {
	const e = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
	return e;
}

function duration(ms) {
	if (ms < 1) return ms > 0 ? `${ms.toFixed(1)} ms` : "0";
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
	if (ms < 3600000) return `${Math.floor(ms / 60000)} min ${Math.floor((ms % 60000) / 1000)} s`;
	return `${Math.floor(ms / 3600000)} h ${Math.floor((ms % 3600000) / 60000)} min`;
}

const number = (n) => n.toLocaleString("en");

// ---- plots ----

// Steps as an area over time; the newest is at the right, and what is not known yet is left free.
function area(values, capacity, top) {
	let path = `M${capacity - values.length},100`;
	values.forEach((v, i) => {
		const x = capacity - values.length + i;
		const y = (100 - (Math.min(v, top) / top) * 96).toFixed(1);
		path += `L${x},${y}L${x + 1},${y}`;
	});
	return `${path}L${capacity},100Z`;
}

function line(values, capacity, top) {
	return area(values, capacity, top).replace(/^M[^L]*L/, "M").replace(/L[^L]*Z$/, "");
}

function plot(title, keys, layers, top, unit, history, status) {
	const capacity = 200;
	const svg = shape("svg", { viewBox: `0 0 ${capacity} 100`, preserveAspectRatio: "none", role: "img" });
	const last = history.length ? layers.map(({ label, values }) => `${label} ${unit(values[values.length - 1])}`) : ["nothing yet"];
	svg.append(shape("title", {}));
	svg.firstChild.textContent = `${title}: now ${last.join(", ")}`;
	for (const { kind, values } of layers) {
		if (!values.length) continue;
		const d = kind === "limit" ? line(values, capacity, top) : area(values, capacity, top);
		svg.append(shape("path", { class: kind === "limit" ? "limit" : `area-${kind}`, d }));
	}
	const minutes = Math.round((capacity * status.stepMs) / 60000);
	return element(
		"figure",
		{},
		element("figcaption", {}, element("span", { className: "keys" }, ...keys), element("span", {}, `max ${unit(top)}`)),
		svg,
		element("div", { className: "axis" }, element("span", {}, `${minutes} min ago`), element("span", {}, "now")),
	);
}

const key = (text, kind) => element("span", { className: `key k-${kind}` }, text);

function plots(pool, status) {
	const at = Object.fromEntries(status.columns.map((name, i) => [name, pool.history.map((sample) => sample[i])]));
	const most = (...lists) => Math.max(1, ...lists.flat());
	const rate = at.granted.map((n) => (n * 1000) / status.stepMs);
	const draw = (title, keys, layers, top, unit) => plot(title, keys, layers, top, unit, pool.history, status);
	return element(
		"div",
		{ className: "plots" },
		draw(
			"Connections",
			[key("in use", "used"), key("open", "open"), key("limit", "limit")],
			[
				{ kind: "open", label: "open", values: at.open },
				{ kind: "used", label: "in use", values: at.inUse },
				{ kind: "limit", label: "limit", values: at.limit },
			],
			most(at.limit, at.open),
			number,
		),
		draw("Waiting requests", [key("waiting", "wait")], [{ kind: "wait", label: "waiting", values: at.waiting }], most(at.waiting), number),
		draw("Mean wait", [key("mean wait", "wait")], [{ kind: "wait", label: "wait", values: at.waitMs }], most(at.waitMs), duration),
		draw("Served", [key("served a second", "used")], [{ kind: "used", label: "served a second", values: rate }], most(rate), (n) =>
			number(Math.round(n * 10) / 10),
		),
	);
}

// ---- the parts ----

function pair(name, value) {
	return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function breakerText(b) {
	if (b.state === "closed") return b.failures ? `breaker closed, ${b.failures} failed` : "breaker closed";
	if (b.byHand) return "breaker open, by hand";
	return `breaker ${b.state}, next try in ${duration(b.retryAfterMs)}`;
}

function showPool(pool, status) {
	const head = element(
		"div",
		{ className: "pool-head" },
		element("h2", {}, pool.name),
		element("span", { className: "target" }, pool.target),
	);
	if (pool.paused) head.append(element("span", { className: "badge paused" }, "paused"));
	head.append(element("span", { className: `badge ${pool.breaker.state}` }, breakerText(pool.breaker)));
	const article = element("article", { className: "pool" }, head);
	article.dataset.pool = pool.name;
	article.append(
		element(
			"dl",
			{ className: "numbers" },
			pair("In use", `${pool.inUse} of ${pool.limit}`),
			pair("Idle", number(pool.idle)),
			pair("Connecting", number(pool.connecting)),
			pair("Leased", number(pool.leased)),
			pair("Waiting", number(pool.waiting)),
			pair("Oldest wait", duration(pool.oldestWaitMs)),
			pair("Wait p99", duration(pool.waitP99Ms)),
		),
	);
	if (pool.breaker.failures && pool.lastFailure) article.append(element("p", { className: "failure" }, pool.lastFailure));
	article.append(plots(pool, status));
	return article;
}

function fill(id, rows, none) {
	const table = $(id);
	const columns = table.tHead.rows[0].cells.length;
	const body = rows.length ? rows : [element("tr", {}, element("td", { className: "none", colSpan: columns }, none))];
	table.tBodies[0].replaceChildren(...body);
}

function row(cells) {
	return element("tr", {}, ...cells.map((c) => (c instanceof Node ? c : element("td", {}, c))));
}

const name = (text) => element("td", { className: "name", title: text }, text);
const count = (n) => element("td", { className: n ? "alarm" : "" }, number(n));

function share(a) {
	const parts = [];
	if (a.min) parts.push(`min ${a.min}`);
	if (a.max) parts.push(`max ${a.max}`);
	if (a.weight !== 1) parts.push(`weight ${a.weight}`);
	if (a.priority) parts.push(`priority ${a.priority}`);
	return parts.join(", ") || "–";
}

function leftOut(rows, n, id) {
	const columns = $(id).tHead.rows[0].cells.length;
	if (n) rows.push(element("tr", {}, element("td", { className: "none", colSpan: columns }, `and ${number(n)} more: see the sidepool command`)));
	return rows;
}

function showApplications(status) {
	const rows = status.applications.map((a) =>
		row([
			name(a.name), number(a.inUse), share(a), count(a.waiting), duration(a.oldestWaitMs), duration(a.waitP99Ms),
			number(a.finished), number(a.refused), number(a.revoked),
		]),
	);
	fill("applications", leftOut(rows, status.applicationsLeftOut, "applications"), "Nobody has asked yet.");
}

function showLeases(status) {
	const rows = status.leases.map((l) =>
		row([
			name(l.application), l.pool, element("td", { className: l.state.includes("transaction") ? "alarm" : "" }, l.state),
			duration(l.stateMs), duration(l.heldMs), l.unit ? `${l.pid} ${l.unit}` : String(l.pid), name(l.callSite || "–"),
		]),
	);
	fill("leases", leftOut(rows, status.leasesLeftOut, "leases"), "No lease is held.");
}

function showAdvices(status) {
	const advices = status.advices.map((a) =>
		element(
			"div",
			{ className: `advice ${a.level}` },
			element("p", {}, a.pool ? `${a.pool}: ${a.reason}` : a.reason),
			element("p", {}, a.advice),
		),
	);
	$("advices").replaceChildren(...advices);
	$("advices").hidden = advices.length === 0;
}

// A screen reader tells of a change, so the text is set only when it is one.
function setText(e, text) {
	if (e.textContent !== text) e.textContent = text;
}

function show(status) {
	const level = status.draining ? "stopping" : status.health;
	setText($("health"), level);
	$("health").className = `badge ${status.draining ? "unhealthy" : status.health}`;
	const budget = status.budgetInForce === status.budget ? status.budget : `${status.budgetInForce} (budget ${status.budget})`;
	setText($("summary"), `${status.inUse} of ${budget} connections in use, ${number(status.waiting)} waiting, ${number(status.clients)} clients`);
	setText($("version"), `sidepoold ${status.version}`);
	document.title = `sidepool: ${level}`;
	showAdvices(status);
	$("pools").replaceChildren(...status.pools.map((p) => showPool(p, status)));
	showApplications(status);
	showLeases(status);
	document.body.dataset.polls = Number(document.body.dataset.polls || 0) + 1;
}

function setLost(message) {
	$("lost").hidden = !message;
	setText($("lost"), message);
}

async function poll() {
	clearTimeout(timer);
	try {
		const answer = await fetch("status.json", { cache: "no-store" });
		if (!answer.ok) throw new Error(`status ${answer.status}`);
		show(await answer.json());
		setLost("");
	} catch (e) {
		setLost(`The daemon does not answer (${e.message}). What is shown is old.`);
	}
	if (!held && !document.hidden) timer = setTimeout(poll, EVERY_MS);
}

$("pause").addEventListener("click", () => {
	held = !held;
	$("pause").setAttribute("aria-pressed", String(held));
	clearTimeout(timer);
	if (!held) poll();
});
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && !held) poll();
});
poll();
