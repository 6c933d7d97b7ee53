// Small ways to make and fill elements; texts are always texts, never markup.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  Object.entries(attributes || {}).forEach(function ([name, given]) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), given);
    } else if (given !== null && given !== false) {
      element.setAttribute(name, given === true ? "" : given);
    }
  });
  element.append(...children.filter((child) => child !== null));
  return element;
}

// A sentence whose numbers and ranges stay on one line: a browser would break 3e-07 and (7.61-90.7) after the hyphen.
function unbroken(text) {
  return text.split(/(\(?[\d.]{1,12}[ex]?-[\d.]{1,12}x?\)?)/).map((part, i) => (i % 2 ? make("span", { class: "number" }, part) : part));
}

function byId(id) {
  return document.getElementById(id);
}

// A list as Python renders it, with the lines that are too many behind a button.
const MOST_LINES = 12;

function fillLines(id, lines) {
  const place = document.querySelector('[data-lines="' + id + '"]');
  const item = (line) => make("li", {}, ...unbroken(line + "."));
  const parts = [];
  if (!lines.length) {
    parts.push(make("p", { class: "note" }, place.dataset.nothing));
  } else {
    parts.push(make("ul", {}, ...lines.slice(0, MOST_LINES).map(item)));
  }
  if (lines.length > MOST_LINES) {
    const more = make("ul", {}, ...lines.slice(MOST_LINES).map(item));
    parts.push(make("details", { class: "more" }, make("summary", {}, "And " + (lines.length - MOST_LINES) + " more"), more));
  }
  place.replaceChildren(...parts);
}
