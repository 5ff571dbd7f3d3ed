/** Members may be called as a property that every object has ("constructor"). Undefined: the map has none. */
export function ownValue<T>(map: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
