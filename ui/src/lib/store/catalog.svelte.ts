import type { Backend } from "../backend/backend";
import type { CatalogItem } from "../bindings/CatalogItem";

/** How well an entry fits what was typed: the smaller the better, `null` not at all. */
function rank({ name, title, description }: CatalogItem, query: string): number | null {
  const names = [name.toLowerCase(), title.toLowerCase()];
  if (names.some((text) => text.startsWith(query))) return 0;
  if (names.some((text) => text.includes(query))) return 1;
  const words = query.split(/\s+/);
  const text = `${names.join(" ")} ${description.toLowerCase()}`;
  return words.every((word) => text.includes(word)) ? 2 : null;
}

/** The entries that fit, the best first. */
export function searchCatalog(items: readonly CatalogItem[], typed: string): CatalogItem[] {
  const query = typed.trim().toLowerCase();
  if (query === "") return [...items];
  return items
    .flatMap((item) => {
      const place = rank(item, query);
      return place === null ? [] : [{ item, place }];
    })
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

/** What services can be made from, asked for when it is first needed. */
export class Catalog {
  items = $state.raw<readonly CatalogItem[] | null>(null);
  readonly #icons = $derived(new Map(this.items?.map(({ name, icon }) => [name, icon])));
  readonly #backend: Pick<Backend, "catalog">;
  #asked: Promise<void> | undefined;

  constructor(backend: Pick<Backend, "catalog">) {
    this.#backend = backend;
  }

  icon(entry: string): string | null {
    return this.#icons.get(entry) ?? null;
  }

  /** Asks once; after a failure, again. */
  load(): Promise<void> {
    this.#asked ??= this.refresh().catch((error: unknown) => {
      this.#asked = undefined;
      throw error;
    });
    return this.#asked;
  }

  /** Which servers are installed here changes while the window is open. */
  async refresh(): Promise<void> {
    this.items = await this.#backend.catalog();
  }
}
