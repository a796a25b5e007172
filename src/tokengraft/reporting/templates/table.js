"use strict";
(() => {
  const box = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
  box.setAttribute("role", "status");
  document.body.append(box);
  const show = (event) => {
    const token = event.target instanceof Element ? event.target.closest(".toks span[title]") : null;
    box.hidden = !token;
    if (token) box.textContent = token.title;
  };
  // Where there is no pointer to rest on a token, a touch shows what its title says.
  document.addEventListener("click", show);
})();
(() => {
  const tables = [...document.querySelectorAll("table.tokens")];
  if (!tables.length) return;
  const bodies = tables.map((table) => table.tBodies[0]);
  const rows = bodies.flatMap((body) => [...body.rows]);
  const first = bodies[0].rows.length;
  const summary = document.querySelector(".rest > summary");
  const box = Object.assign(document.createElement("input"), {
    type: "search", className: "filter", placeholder: "filter: token, piece, id or note", autocomplete: "off",
  });
  box.setAttribute("aria-label", "Filter the new tokens");
  tables[0].parentElement.before(box);
  let column = null;
  let sign = 1;

  const value = (row) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    return column === 0 || cell.dataset.value !== undefined ? Number(text) : text;
  };
  const compare = (a, b) => {
    const [left, right] = [value(a), value(b)];
    return sign * (typeof left === "number" ? left - right : left.localeCompare(right));
  };
  const draw = () => {
    const wanted = box.value.trim().toLowerCase();
    const found = rows.filter((row) => row.textContent.toLowerCase().includes(wanted));
    if (column !== null) found.sort(compare);
    bodies[0].replaceChildren(...found.slice(0, first));
    if (bodies[1]) bodies[1].replaceChildren(...found.slice(first));
    if (summary) summary.textContent = `${Math.max(found.length - first, 0)} more`;
  };
  const sortBy = (place) => {
    sign = column === place ? -sign : bodies[0].rows[0]?.cells[place].dataset.value !== undefined ? -1 : 1;
    column = place;
    for (const table of tables) {
      [...table.tHead.rows[0].cells].forEach((cell, other) => {
        if (other === place) cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        else cell.removeAttribute("aria-sort");
      });
    }
    draw();
  };

  box.addEventListener("input", draw);
  for (const table of tables) {
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: cell.textContent });
      button.addEventListener("click", () => sortBy(place));
      cell.replaceChildren(button);
    });
  }
})();
