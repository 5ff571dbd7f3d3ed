/**
 * Makes a part of the document like a tree, with as few changes as can be: what is the same stays the same
 * element, with its focus, its selection, and what the reader has opened or typed.
 */
import type { Attributes, Element as Wanted, Node as WantedNode } from "../tree/node.ts";

const SVG = "http://www.w3.org/2000/svg";
const IN_SVG: ReadonlySet<string> = new Set(["svg", "polyline"]);

/** What was set here; other attributes are the reader's own, as `open`. */
const made = new WeakMap<Element, Attributes>();

export function patch(parent: Element, wanted: readonly WantedNode[]): void {
  const keyed = new Map<string, Element>();
  for (const child of parent.children) {
    const key = made.get(child)?.key;
    if (typeof key === "string") keyed.set(`${child.localName} ${key}`, child);
  }
  let at = parent.firstChild;
  for (const node of wanted) {
    const place = found(node, at, keyed);
    if (place !== null && place === at) at = place.nextSibling;
    const present = place ?? created(node, parent.ownerDocument);
    // Also moves one that stood further down.
    if (place === null || present.nextSibling !== at) parent.insertBefore(present, at);
    fill(present, node);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** The node that can become the wanted one; null: there is none. */
function found(node: WantedNode, at: ChildNode | null, keyed: Map<string, Element>): ChildNode | null {
  if (typeof node === "string") return at instanceof Text ? at : null;
  const { key } = node.attributes;
  if (typeof key === "string") {
    const name = `${node.tag} ${key}`;
    const one = keyed.get(name) ?? null;
    keyed.delete(name);
    return one;
  }
  return at instanceof Element && at.localName === node.tag && made.get(at)?.key === undefined ? at : null;
}

function created(node: WantedNode, document: Document): ChildNode {
  if (typeof node === "string") return document.createTextNode(node);
  return IN_SVG.has(node.tag) ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
}

function fill(present: ChildNode, node: WantedNode): void {
  if (typeof node === "string") {
    if (present.nodeValue !== node) present.nodeValue = node;
    return;
  }
  const element = present as Element;
  setAttributes(element, node);
  // The reader's text: it was filled in once.
  if (element instanceof HTMLTextAreaElement && element.childNodes.length > 0) return;
  patch(element, node.children);
}

function setAttributes(element: Element, { attributes }: Wanted): void {
  const before = made.get(element) ?? {};
  for (const name of Object.keys(before)) {
    if (name !== "key" && !Object.hasOwn(attributes, name)) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "key" || before[name] === value) continue;
    if (value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  made.set(element, attributes);
}
