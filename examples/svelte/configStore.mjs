// A Svelte store: `const theme = configStore(config, "app.theme", "light")`, then `$theme` in a component. Setting it writes:
// `$theme = "dark"`. `config` is what `open` gives, in a browser as in Node.
export function configStore(config, path, otherwise) {
  const value = () => config.get(path, otherwise);
  return {
    subscribe(run) {
      const following = config.subscribe(path === "" ? "**" : `${path}.**`, () => run(value()));
      run(value());
      return () => following.close();
    },
    set(next) {
      config.set(path, next);
    },
    update(change) {
      config.set(path, change(value()));
    },
  };
}
