/** JSON values as they travel through the dynamic configuration and the records of the cluster. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };
