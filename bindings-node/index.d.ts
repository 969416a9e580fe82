/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;
