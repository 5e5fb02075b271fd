/** Rows of a table: pairs of key and value, in the order of the keys. */
export type Rows = [key: string, value: any][];

/** table, key, value; a value that is undefined removes the row, a key that is null all rows of the table. */
export type Change = [table: string, key: string | null, value?: unknown];

/** Where all lasts. Six methods; a storage of your own (SQLite, MMKV) has these. */
export interface Storage {
  get(table: string, key: string): Promise<any>;
  list(table: string, prefix?: string): Promise<Rows>;
  /**
   * All changes or none, in this order, and on the disk when the promise is kept. With a guard only where that row has
   * that value (undefined: there is none) at this moment; else false, and nothing is changed. A storage that is full
   * breaks with an error named QuotaExceededError.
   */
  write(changes: Change[], guard?: [table: string, key: string, expected: unknown]): Promise<boolean>;
  /** Runs work while nobody else, no other tab either, runs theirs. */
  lock<T>(work: () => Promise<T>): Promise<T>;
  /** Calls back when another tab has written. */
  watch(listener: () => void): void;
  close(): void;
}

/** As in a merge rule, as far as a client needs it: keys, strategies, and which fields are lists. */
export interface Rule {
  key?: string[];
  policy?: string;
  fields?: Record<string, { merge?: string; id?: string | string[]; members?: 'latest'; values?: string[]; derive?: string; steps?: object[]; when?: object } & Record<string, unknown>>;
}

export interface Options {
  /** Where the functions are: POST url/rpc/sync_push. */
  url: string;
  /** The learner's token; asked with true when the last one was refused. */
  token?: (renew: boolean) => string | Promise<string>;
  storage: Storage;
  /** Whose queue it is: sent with each call, and a storage that is another learner's is refused. */
  learnerId?: string;
  deviceName?: string;
  metadata?: Record<string, unknown>;
  /** resourceTypes and scope of the pulls. */
  selection?: { resourceTypes?: string[]; scope?: Record<string, unknown[]> };
  /** The merge rules of your own types, as they were given to define_resource_type. */
  rules?: Record<string, Rule>;
  /** Items and bytes of a push, changes of a page, milliseconds until a call is given up. */
  batch?: number;
  batchBytes?: number;
  page?: number;
  /** false where the documents live elsewhere, in another library: sync() then only sends. */
  pull?: boolean;
  timeout?: number;
  fetch?: typeof fetch;
  now?: () => number;
}

export interface Item {
  id: string;
  operation: 'create' | 'update' | 'delete';
  resourceType: string;
  resourceId?: string;
  data?: any;
  clientTimestamp: string;
  seen?: string;
  ancestor?: any;
}

export interface Failure { id: string; code: string; error: string; path?: string; retryable: boolean; first?: { status: string; version: number } }
export interface QueueRow { item: Item; resourceId: string | null; tries?: number; after?: number; waiting?: true; was?: string }
export interface FailedRow { item: Item; failure: Failure }
export interface ConflictRow {
  conflictId: string;
  resourceType: string;
  resourceId: string;
  clientData: any;
  serverData: any;
  serverVersion: number;
  item: Item;
  decision: { resolution: Resolution; mergedData?: any; force?: boolean } | null;
  /** The document has changed since, or the decision could not be taken: decide again. */
  moved?: boolean;
  error?: string;
}
export type Resolution = 'use_server' | 'use_client' | 'use_merged' | 'keep_both';

/**
 * ok: all was sent and brought. later: ask again after wait. full: the disk is full. signed-out: get a new token. forbidden:
 * the token is not this learner's, or has no rights. refused: the app's own mistake. deactivated: the device was turned away,
 * and keeps what it has. wiped, erased: nothing is held any more.
 */
export type State = 'ok' | 'later' | 'full' | 'signed-out' | 'forbidden' | 'refused' | 'deactivated' | 'wiped' | 'erased';
export interface Outcome { state: State; sent: number; received: number; wait: number | null; error: Error | null }
export interface Difference { resourceType: string; resourceId: string; version: number; members: number }

export class Refusal extends Error {
  kind: string;
  status: number;
  code: string;
  details: string | null;
  retryAfter: number | null;
}

/** Items and Documents are what learnsync.typescript() makes of your rules: with them a field that is misspelt does not compile. */
export class Learnsync<Items extends object = Record<string, any>, Documents extends object = Record<keyof Items, any>> {
  readonly deviceId: string;
  record<T extends keyof Items & string>(resourceType: T, data: Items[T], more?: { operation?: Item['operation']; resourceId?: string; id?: string; ancestor?: unknown; also?: Change[] }): Promise<Item>;
  remove(resourceType: keyof Items & string, resourceId: string): Promise<Item>;
  document<T extends keyof Documents & string>(resourceType: T, resourceId: string): Promise<Documents[T] | null>;
  documents<T extends keyof Documents & string>(resourceType: T): Promise<Map<string, Documents[T]>>;
  queue(): Promise<QueueRow[]>;
  failed(): Promise<FailedRow[]>;
  conflicts(): Promise<ConflictRow[]>;
  retry(id: string, data?: unknown): Promise<boolean>;
  discard(id: string): Promise<boolean>;
  decide(conflictId: string, resolution: Resolution, more?: { mergedData?: unknown; force?: boolean; reason?: string }): Promise<boolean>;
  call<T = any>(name: string, body: object): Promise<T>;
  rule(resourceType: string): Promise<Rule | undefined>;
  sync(): Promise<Outcome>;
  verify(): Promise<Difference[] | null>;
  renew(): Promise<boolean>;
  wipe(): Promise<boolean>;
  subscribe(listener: () => void): () => void;
  start(options?: { every?: number }): () => void;
}

export function open<Items extends object = Record<string, any>, Documents extends object = Record<keyof Items, any>>(options: Options): Promise<Learnsync<Items, Documents>>;
export function memory(): Storage;
export function indexedDb(name?: string): Promise<Storage>;
export function uuid(now?: number): string;
export function shown<T = any>(document: T | null, item: Pick<Item, 'operation' | 'data' | 'clientTimestamp'>, rule?: Rule): T | null;
export function difference(document: any, before: any, rule?: Rule): any;
export const RULES: Record<string, Rule>;
