"use strict";
// Without this script the page is simply as it was written. Names are data: they only become text.
const $ = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
document.documentElement.classList.add("js");

// Numbers as the page writes them: three digits, a true minus sign, a dash where there is none.
const dash = "–";
const score = (value) => {
  if (value === null || value === undefined) return dash;
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size < 1e-3 ? 5 : Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(digits).replace("-", "−");
};
const count = (value) => (value === null || value === undefined ? dash : Math.round(value).toLocaleString("en"));

// The theme: the reader's own, or the other one.
{
  const button = $("theme");
  const words = { "": "automatic", light: "light", dark: "dark" };
  let theme = "";
  try { theme = localStorage.getItem("rarenode-theme") ?? ""; } catch { /* a file may have no storage */ }
  const apply = () => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${words[theme]}`;
    document.dispatchEvent(new Event("theme"));
  };
  if (!(theme in words)) theme = "";
  button.hidden = false;
  button.addEventListener("click", () => {
    const order = Object.keys(words);
    theme = order[(order.indexOf(theme) + 1) % order.length];
    try { localStorage.setItem("rarenode-theme", theme); } catch { /* then it is for this once */ }
    apply();
  });
  apply();
}

const data = JSON.parse($("node-data").textContent);
const nodes = data.id.length;
const ours = data.methods[0];
const label = (node) => data.name[node] || data.id[node];
const haystack = data.id.map((id, node) => `${id} ${data.name[node]}`.toLowerCase());
const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
const matches = (node, wanted) => wanted.every((word) => haystack[node].includes(word));

// The explorer. A node has a box under the first of its parents.
const children = data.id.map(() => []);
data.parents.forEach((above, node) => { if (above.length) children[above[0]].push(node); });
const everyChild = data.id.map(() => []);
data.parents.forEach((above, node) => { for (const parent of above) everyChild[parent].push(node); });
const roots = data.parents.flatMap((above, node) => (above.length ? [] : [node]));
const leaves = new Float64Array(nodes);
for (let node = nodes - 1; node >= 0; node--) {
  if (!children[node].length) leaves[node] = 1;
  if (data.parents[node].length) leaves[data.parents[node][0]] += leaves[node];
}
const rows = Math.max(...data.depth) + 1;
const from = new Float64Array(nodes);
const to = new Float64Array(nodes);
{
  let left = 0;
  const stack = [...roots].reverse();
  while (stack.length) {
    const node = stack.pop();
    const above = data.parents[node][0];
    if (above === undefined) { from[node] = left; left += leaves[node]; }
    to[node] = from[node] + leaves[node];
    let inner = from[node];
    for (const child of children[node]) { from[child] = inner; inner += leaves[child]; }
    stack.push(...children[node]);
  }
}
const fromLeft = data.id.map((_, node) => node).sort((a, b) => from[a] - from[b] || data.depth[a] - data.depth[b]);
const whole = roots.reduce((sum, node) => sum + leaves[node], 0);

// Viridis (van der Walt and Smith) from dark to light, and a ramp through grey for differences.
const SEQUENTIAL = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const DIVERGING = ["#b35806", "#e08214", "#fdb863", "#d9d9d9", "#b2abd2", "#8073ac", "#542788"];
const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const ramp = (stops) => {
  const table = stops.map(channels);
  return (share) => {
    const place = Math.min(Math.max(share, 0), 1) * (table.length - 1);
    const low = Math.min(Math.floor(place), table.length - 2);
    return table[low].map((value, at) => Math.round(value + (table[low + 1][at] - value) * (place - low)));
  };
};
const colours = [];
{
  const most = Math.log(Math.max(...data.support, 1) + 1);
  colours.push({
    name: "support", low: "1", high: count(Math.max(...data.support)), stops: SEQUENTIAL, none: "none to learn from",
    share: (node) => (data.support[node] ? Math.log(data.support[node]) / most : null),
  });
  const ap = data.ap[ours];
  if (ap) {
    colours.push({
      name: `AP of ${ours}`, low: "0", high: "1", stops: SEQUENTIAL, none: "not tested", share: (node) => ap[node],
    });
    for (const other of data.methods.slice(1)) {
      const theirs = data.ap[other];
      colours.push({
        name: `AP minus that of ${other}`, low: "−0.3", high: "+0.3", stops: DIVERGING, none: "not tested",
        share: (node) => (ap[node] === null || theirs[node] === null ? null : 0.5 + (ap[node] - theirs[node]) / 0.6),
      });
    }
  }
}

const canvas = $("explorer-icicle");
const details = $("explorer-details");
let focus = -1; // the node that fills the width; -1 is the whole hierarchy
let chosen = data.listed.find((node) => data.found[node] !== null) ?? data.listed[0] ?? 0; // the rarest with a story
let painting = 0;
const path = (node) => {
  const found = [];
  for (let at = node; at !== undefined; at = data.parents[at][0]) found.push(at);
  return found.reverse();
};
// Beside the details few levels are taller: else there is nothing below them.
const beside = matchMedia("(min-width: 64rem)");
const rowHeight = () => beside.matches
  ? Math.max(20, Math.min(72, Math.floor(560 / rows)))
  : Math.max(20, Math.min(34, Math.floor(440 / rows)));
const span = () => (focus < 0 ? [0, whole] : [from[focus], to[focus]]);

// What has no figure is hatched: a grey of its own is taken for the middle of a scale.
const hatched = (brush, paper, line) => {
  const tile = make("canvas");
  const size = tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = line;
  for (const from of [-size, 0, size]) {
    pen.moveTo(from, size);
    pen.lineTo(from + size, 0);
  }
  pen.stroke();
  return brush.createPattern(tile, "repeat");
};

const paint = () => {
  painting = 0;
  const width = canvas.clientWidth;
  const height = rows * rowHeight();
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const brush = canvas.getContext("2d");
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, width, height);
  const style = getComputedStyle(details);
  const [paper, ink] = [style.backgroundColor, style.color];
  const none = hatched(brush, paper, style.borderTopColor);
  const by = colours[$("explorer-colour").selectedIndex] ?? colours[0];
  const colour = ramp(by.stops);
  const [low, high] = span();
  const scale = width / (high - low);
  const tall = rowHeight();
  brush.font = `12px ${style.fontFamily}`;
  brush.textBaseline = "middle";
  let outline = null;
  const taken = new Float64Array(rows).fill(-1); // up to where a row is painted: no box is too narrow to be seen
  for (const node of fromLeft) {
    if (to[node] <= low || from[node] >= high) continue;
    const start = Math.max((from[node] - low) * scale, 0);
    const end = Math.max(Math.min((to[node] - low) * scale, width), start + 1);
    if (node !== chosen && end <= taken[data.depth[node]] + 0.5) continue;
    taken[data.depth[node]] = Math.max(taken[data.depth[node]], end);
    const y = data.depth[node] * tall;
    const share = by.share(node);
    const rgb = share === null ? null : colour(share);
    brush.fillStyle = rgb ? `rgb(${rgb})` : none;
    // A line of paper between boxes, where it leaves something of them.
    const gap = end - start > 3 ? 1 : 0;
    brush.fillRect(start, y, end - start - gap, tall - 1);
    if (node === chosen) outline = [start, y, Math.max(end - start - gap, 5), tall - 1];
    const room = end - start - 10;
    if (room > 26) {
      const bright = rgb ? rgb[0] * 0.299 + rgb[1] * 0.587 + rgb[2] * 0.114 > 140 : null;
      brush.fillStyle = bright === null ? ink : bright ? "#111" : "#fff";
      let text = label(node);
      const fits = Math.floor(room / 6.6);
      if (text.length > fits) text = fits > 3 ? `${text.slice(0, fits - 1)}…` : "";
      brush.save();
      brush.beginPath();
      brush.rect(start, y, end - start - gap, tall - 1);
      brush.clip();
      brush.fillText(text, start + 5, y + tall / 2);
      brush.restore();
    }
  }
  if (outline) {
    const [x, y, wide, high] = outline;
    for (const [colour, line] of [[paper, 4], [ink, 2]]) {
      brush.strokeStyle = colour;
      brush.lineWidth = line;
      brush.strokeRect(x + 1.5, y + 1.5, wide - 3, high - 3);
    }
  }
};
const repaint = () => { painting ||= requestAnimationFrame(paint); };

const legend = () => {
  const by = colours[$("explorer-colour").selectedIndex] ?? colours[0];
  const bar = make("i");
  bar.style.background = `linear-gradient(to right, ${by.stops.join(", ")})`;
  $("explorer-legend").replaceChildren(make("span", "", by.low), bar, make("span", "", by.high), make("i", "none"), make("span", "", by.none));
};

const link = (node, text = label(node)) => {
  const button = make("button", "link", text);
  button.type = "button";
  button.addEventListener("click", () => {
    const inside = details.contains(document.activeElement);
    look(node);
    if (inside) details.focus(); // the link that was pressed is gone
  });
  return button;
};
const list = (title, items) => {
  if (!items.length) return [];
  const found = make("ul");
  for (const item of items) {
    const line = make("li");
    line.append(...item);
    found.append(line);
  }
  return [make("h4", "", title), found];
};
const SOME = 8;
const nodeList = (title, some) => {
  const items = some.slice(0, SOME).map((node) => [link(node)]);
  if (some.length > SOME) items.push([`${count(some.length - SOME)} more`]);
  return list(title, items);
};
const describe = (node) => {
  const facts = make("dl");
  const fact = (name, value) => facts.append(make("dt", "", name), make("dd", "", value));
  fact("id", data.id[node]);
  fact("depth", String(data.depth[node]));
  fact("support", count(data.support[node]));
  fact("test positives", count(data.positives[node]));
  if (data.found[node] !== null) {
    fact(`cut (${data.rule.replace("_", " ")})`, data.cut[node] === null ? "none: only through a node below" : score(data.cut[node]));
    fact("found", `${count(data.found[node])} of ${count(data.found[node] + data.missed[node])}`);
    fact("wrongly found", count(data.wrong[node]));
  }
  const parts = [make("h3", "", label(node)), facts];
  if (data.methods.some((name) => data.ap[name][node] !== null)) {
    const table = make("div", "ap");
    for (const name of data.methods) {
      const bar = make("b");
      bar.style.setProperty("--v", data.ap[name][node] ?? 0);
      bar.style.setProperty("--m", `var(--m-${data.keys[name]})`);
      table.append(make("span", "", name), make("span", "", score(data.ap[name][node])), bar);
    }
    parts.push(make("h4", "", "Average precision"), table);
  }
  const confused = (pairs) => pairs.map(([other, times]) => [link(other), ` ${count(times)}`]);
  parts.push(...list("Wrongly found are", confused(data.wrong_with[node])));
  parts.push(...list("Missed were taken for", confused(data.missed_as[node])));
  const examples = data.examples[node] ?? {};
  for (const [sort, title] of [["found", "Found"], ["missed", "Missed"], ["wrong", "Wrongly found"]]) {
    parts.push(...list(`${title}, such as`, (examples[sort] ?? []).map(([id, p]) => [`${id}, ${score(p)}`])));
  }
  parts.push(...nodeList("Below", everyChild[node]));
  parts.push(...nodeList("Above", data.parents[node]));
  details.replaceChildren(...parts);
};

// Look at a node, and into it if there is something in it.
const look = (node, into = true) => {
  chosen = node;
  if (into) focus = children[node].length ? node : data.parents[node][0] ?? -1;
  else if (from[node] < span()[0] || to[node] > span()[1]) focus = data.parents[node][0] ?? -1;
  describe(node);
  repaint();
};
const show = (node) => {
  look(node);
  $("explorer").scrollIntoView({ block: "start" });
  canvas.focus({ preventScroll: true });
};
const at = (event) => {
  const box = canvas.getBoundingClientRect();
  const [low, high] = span();
  const depth = Math.floor((event.clientY - box.top) / rowHeight());
  const place = low + ((event.clientX - box.left) / box.width) * (high - low);
  for (let node = 0; node < nodes; node++) {
    if (data.depth[node] === depth && from[node] <= place && place < to[node]) return node;
  }
  return -1;
};
canvas.addEventListener("click", (event) => { const node = at(event); if (node >= 0) look(node); });
canvas.addEventListener("mousemove", (event) => {
  const node = at(event);
  canvas.title = node < 0 ? "" : `${label(node)}, support ${count(data.support[node])}`;
});
canvas.addEventListener("keydown", (event) => {
  const above = data.parents[chosen][0];
  const beside = above === undefined ? roots : children[above];
  const place = beside.indexOf(chosen);
  const next = {
    ArrowDown: children[chosen][0],
    ArrowUp: above,
    ArrowLeft: beside[place - 1],
    ArrowRight: beside[place + 1],
  };
  if (event.key === "Enter") look(chosen);
  else if (event.key === "Escape") { if (focus >= 0) { focus = data.parents[focus][0] ?? -1; repaint(); } }
  else if (event.key in next) { if (next[event.key] !== undefined) look(next[event.key], false); }
  else return;
  event.preventDefault();
});
$("explorer-whole").addEventListener("click", () => { focus = -1; repaint(); });
$("explorer-colour").append(...colours.map((by) => make("option", "", by.name)));
$("explorer-colour").addEventListener("change", () => { legend(); repaint(); });
const HITS = 8;
const hits = () => {
  const wanted = words($("explorer-search").value);
  const exact = data.id.indexOf($("explorer-search").value.trim());
  const found = exact < 0 ? [] : [exact];
  for (let node = 0; wanted.length && node < nodes && found.length <= HITS; node++) {
    if (node !== exact && matches(node, wanted)) found.push(node);
  }
  return found;
};
$("explorer-search").addEventListener("input", () => {
  const found = hits();
  const lines = found.slice(0, HITS).map((node) => {
    const line = make("li");
    line.append(link(node), make("span", "note", ` ${data.id[node]}`));
    return line;
  });
  if (found.length > HITS) lines.push(make("li", "note", "and more"));
  if (!found.length && $("explorer-search").value.trim()) lines.push(make("li", "note", "no such node"));
  $("explorer-found").replaceChildren(...lines);
});
$("explorer-search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && hits().length) look(hits()[0]);
});
if (nodes) {
  $("explorer-body").hidden = false;
  legend();
  describe(chosen);
  new ResizeObserver(repaint).observe(canvas);
  document.addEventListener("theme", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

// The table. Its first rows are written; others, and other orders, are made when they are asked for.
{
  const table = $("node-table");
  const body = table.tBodies[0];
  const listed = data.listed;
  const columns = [
    { name: "id", text: true, value: (node) => data.id[node] },
    { name: "name", text: true, value: label },
    { name: "depth", value: (node) => data.depth[node] },
    { name: "support", value: (node) => data.support[node] },
    { name: "test positives", value: (node) => data.positives[node] },
    ...(data.rule ? [{ name: `found (${data.rule})`, value: (node) => data.found[node] }] : []),
    ...data.methods.map((name) => ({ name: `ap ${name}`, method: name, value: (node) => data.ap[name][node] })),
  ];
  const heads = [...table.tHead.rows[0].cells];
  let order = listed;
  let sorted = null; // [column, descending]
  let all = false;
  const wanted = () => {
    const text = words($("node-search").value);
    const [low, high] = ($("node-rarity").value || "0-").split("-").map((value) => (value === "" ? Infinity : Number(value)));
    return order.filter((node) => data.support[node] >= low && data.support[node] <= high && matches(node, text));
  };
  const row = (node) => {
    const line = make("tr");
    line.dataset.node = node;
    for (const column of columns) {
      const value = column.value(node);
      if (column.name === "name") {
        const cell = make("td", "name");
        const button = make("button", "link", value);
        button.type = "button";
        cell.append(button);
        if (!data.scored[node]) cell.append(" ", make("small", "note", "not scored"));
        line.append(cell);
      } else if (column.method) {
        const cell = make("td", "f bar gap", score(value));
        if (value !== null) cell.style.cssText = `--m:var(--m-${data.keys[column.method]});--v:${value}`;
        else cell.className = "f gap";
        line.append(cell);
      } else {
        const cell = make("td", column.text ? "id" : "n", column.text ? value : count(value));
        if (column.name === "test positives" && value === 0) cell.append(" ", make("small", "", "no test example"));
        line.append(cell);
      }
    }
    return line;
  };
  let rest = 0;
  const render = () => {
    const found = wanted();
    const shown = all ? found : found.slice(0, data.shown);
    // The first rows at once, the others some at a time: nobody waits for rows far below.
    cancelAnimationFrame(rest);
    body.replaceChildren(...shown.slice(0, data.shown).map(row));
    let made = data.shown;
    const more = () => {
      body.append(...shown.slice(made, made + data.shown).map(row));
      made += data.shown;
      rest = made < shown.length ? requestAnimationFrame(more) : 0;
    };
    rest = made < shown.length ? requestAnimationFrame(more) : 0;
    $("node-count").textContent = `${count(found.length)} of ${count(listed.length)} nodes`;
    if ($("node-rest")) $("node-rest").hidden = shown.length === found.length;
  };
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
  heads.forEach((head, at) => {
    head.classList.add("sortable");
    const button = make("button", "link");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const column = columns[at];
      const down = sorted?.[0] === at ? !sorted[1] : !column.text;
      sorted = [at, down];
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = listed.map((node) => [column.value(node), node]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return down ? compare(b, a) : compare(a, b);
      });
      order = keyed.map(([, node]) => node);
      render();
    });
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show(Number(button.closest("tr").dataset.node));
  });
  for (const id of ["node-search", "node-rarity"]) $(id).addEventListener("input", render);
  document.querySelector(".found-rare a")?.addEventListener("click", () => {
    $("node-rarity").value = [...$("node-rarity").options].at(-1).value;
    render();
  });
  $("node-more")?.addEventListener("click", () => { all = true; render(); });
  if ($("node-more")) $("node-more").hidden = false;
  // A cell that begins like a formula would be one in a spreadsheet: an apostrophe makes it text.
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "number" ? String(value) : /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  $("node-csv").addEventListener("click", () => {
    const lines = [columns.map(({ name }) => cell(name)), ...wanted().map((node) => columns.map(({ value }) => cell(value(node))))];
    const file = new Blob([lines.map((line) => line.join(",")).join("\r\n"), "\r\n"], { type: "text/csv" });
    const anchor = make("a");
    anchor.href = URL.createObjectURL(file);
    anchor.download = "rare-nodes.csv";
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  });
  $("node-controls").hidden = false;
  $("node-count").textContent = `${count(listed.length)} of ${count(listed.length)} nodes`;
}
