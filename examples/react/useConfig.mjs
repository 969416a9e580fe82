// A React hook: `const theme = useConfig(config, "app.theme", "light")`. A component is rendered again when what stands at
// its path changes, and for nothing else. `config` is what `open` gives, in a browser as in Node.
import { useMemo, useSyncExternalStore } from "react";

export function useConfig(config, path, otherwise) {
  const store = useMemo(() => storeOf(config, path), [config, path]);
  const value = useSyncExternalStore(store.subscribe, store.value, store.value);
  return value === undefined ? otherwise : value;
}

function storeOf(config, path) {
  let value = config.get(path);
  return {
    value: () => value,
    subscribe(changed) {
      const following = config.subscribe(path === "" ? "**" : `${path}.**`, () => {
        value = config.get(path);
        changed();
      });
      // What changed since it was read is told at once: React compares after this.
      value = config.get(path);
      return () => following.close();
    },
  };
}
