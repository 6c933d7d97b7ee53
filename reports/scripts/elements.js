// Makes and finds elements. Texts are always inserted as text, never as markup.
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes] `on...` adds a listener; null and false leave the attribute out
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  Object.entries(attributes).forEach(function ([name, given]) {
    if (typeof given === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (given));
    } else if (given !== null && given !== false) {
      element.setAttribute(name, given === true ? "" : String(given));
    }
  });
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * A sentence whose numbers and ranges stay on one line: a browser would break 3e-07 and (7.61-90.7) after the hyphen.
 * @param {string} text
 */
function keepNumbersTogether(text) {
  const parts = text.split(/(\(?[\d.]{1,12}[ex]?-[\d.]{1,12}x?\)?)/);
  return parts.map((part, index) => (index % 2 ? make("span", { class: "number" }, part) : part));
}

/**
 * Give an element these children. Those that look the same are kept. So they keep the focus, and a click that has begun on
 * one of them still arrives when leaving a field renders the page.
 * @param {Element} parent
 * @param {Element[]} children
 */
function updateChildren(parent, children) {
  children.forEach(function (child, index) {
    const present = parent.children[index];
    if (!present) {
      parent.append(child);
    } else if (appearance(present) !== appearance(child)) {
      present.replaceWith(child);
    }
  });
  Array.from(parent.children).slice(children.length).forEach((child) => child.remove());
}

/**
 * What a reader sees of an element: its markup and the state of its fields.
 * @param {Element} element
 */
function appearance(element) {
  const fields = Array.from(element.querySelectorAll("input, select"));
  const states = fields.map((field) =>
    field instanceof HTMLInputElement ? [field.value, field.checked] : /** @type {HTMLSelectElement} */ (field).value,
  );
  return JSON.stringify([element.outerHTML, states]);
}

/** @param {string} id */
function byId(id) {
  return find("#" + id);
}

/**
 * The first element that matches, which must exist.
 * @param {string} selector
 * @param {ParentNode} [within]
 */
function find(selector, within = document) {
  const element = within.querySelector(selector);
  if (!(element instanceof HTMLElement)) {
    throw new Error("the page has no " + selector);
  }
  return element;
}

/**
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {HTMLElement[]}
 */
function findAll(selector, within = document) {
  return Array.from(within.querySelectorAll(selector));
}

/** The element that has the focus, or null. */
function focusedElement() {
  return document.activeElement instanceof HTMLElement ? document.activeElement : null;
}

const MAX_LINES = 12;

/**
 * Fill a list that Python renders too. Lines beyond MAX_LINES are folded.
 * @param {string} id
 * @param {string[]} lines
 * @param {string} [empty] why there are none, if that is not what Python says
 */
function renderList(id, lines, empty) {
  const list = find('[data-list="' + id + '"]');
  const item = (/** @type {string} */ line) => make("li", {}, ...keepNumbersTogether(line + "."));
  const parts = [];
  if (!lines.length) {
    parts.push(make("p", { class: "note" }, empty ?? list.dataset.empty ?? ""));
  } else {
    parts.push(make("ul", {}, ...lines.slice(0, MAX_LINES).map(item)));
  }
  if (lines.length > MAX_LINES) {
    const more = make("ul", {}, ...lines.slice(MAX_LINES).map(item));
    parts.push(make("details", { class: "more" }, make("summary", {}, "And " + (lines.length - MAX_LINES) + " more"), more));
  }
  list.replaceChildren(...parts);
}
