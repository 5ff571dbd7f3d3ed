/** A graph of what must come before what, and its shortest way around. */

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly why: string;
}

/** One short cycle for each knot (strongly connected part of more than one node) of the graph. */
export function cycles(nodes: number, edges: readonly Edge[]): Edge[][] {
  const outgoing: Edge[][] = Array.from({ length: nodes }, () => []);
  for (const edge of edges) outgoing[edge.from]!.push(edge);
  const part = parts(nodes, outgoing);
  const sizes = new Map<number, number>();
  for (const one of part) sizes.set(one, (sizes.get(one) ?? 0) + 1);
  const knots = [...sizes].filter(([, size]) => size > 1).map(([one]) => one);
  return knots.map((knot) => shortest(part.indexOf(knot), outgoing, (node) => part[node] === knot));
}

/** Tarjan's algorithm, without recursion: for each node, the number of its part. */
function parts(nodes: number, outgoing: readonly (readonly Edge[])[]): number[] {
  const index = new Int32Array(nodes).fill(-1);
  const low = new Int32Array(nodes);
  const part = new Array<number>(nodes).fill(-1);
  const open: number[] = [];
  let [next, count] = [0, 0];
  for (let root = 0; root < nodes; root++) {
    if (index[root] !== -1) continue;
    const path: { node: number; at: number }[] = [{ node: root, at: 0 }];
    while (path.length > 0) {
      const step = path.at(-1)!;
      const { node } = step;
      if (step.at === 0) {
        index[node] = low[node] = next++;
        open.push(node);
      }
      const edge = outgoing[node]![step.at++];
      if (edge !== undefined) {
        if (index[edge.to] === -1) path.push({ node: edge.to, at: 0 });
        else if (part[edge.to] === -1) low[node] = Math.min(low[node]!, index[edge.to]!);
        continue;
      }
      path.pop();
      if (low[node] === index[node]) {
        for (let member = -1; member !== node;) part[member = open.pop()!] = count;
        count++;
      }
      const parent = path.at(-1);
      if (parent !== undefined) low[parent.node] = Math.min(low[parent.node]!, low[node]!);
    }
  }
  return part;
}

function shortest(
  start: number,
  outgoing: readonly (readonly Edge[])[],
  isIn: (node: number) => boolean,
): Edge[] {
  const cameBy = new Map<number, Edge>();
  const queue = [start];
  for (let at = 0; at < queue.length; at++) {
    for (const edge of outgoing[queue[at]!]!) {
      if (!isIn(edge.to) || cameBy.has(edge.to)) continue;
      cameBy.set(edge.to, edge);
      if (edge.to === start) return wayTo(start, cameBy);
      queue.push(edge.to);
    }
  }
  throw new Error(`node ${start} lies on no cycle`);
}

function wayTo(start: number, cameBy: ReadonlyMap<number, Edge>): Edge[] {
  const way: Edge[] = [];
  let node = start;
  do {
    const edge = cameBy.get(node)!;
    way.unshift(edge);
    node = edge.from;
  } while (node !== start);
  return way;
}
