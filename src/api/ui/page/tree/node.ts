/** The page as plain data. Texts are texts: nothing here can hold markup. */

export interface Element {
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: readonly Node[];
}

export type Node = Element | string;
/** false: the attribute is not there. `key` tells neighbours apart and is no attribute. */
export type Attributes = { readonly [name: string]: string | boolean };
export type Content = Node | null | false | readonly Content[];

export function h(tag: string, attributes: Attributes = {}, ...content: readonly Content[]): Element {
  return { tag, attributes, children: flat(content) };
}

function flat(content: readonly Content[]): Node[] {
  return content.flatMap((one) =>
    one === null || one === false ? [] : typeof one === "string" || "tag" in one ? [one] : flat(one)
  );
}

/** The text of a tree, as a reader would copy it. */
export function textOf(nodes: readonly Node[]): string {
  return nodes.map((node) => typeof node === "string" ? node : textOf(node.children)).join(" ");
}

export function button(label: string, action: string, attributes: Attributes = {}): Element {
  return h("button", { type: "button", "data-do": action, ...attributes }, label);
}
