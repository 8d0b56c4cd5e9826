#!/usr/bin/env node
/** The command `rouage`. */
import { dispatch } from "./dispatch.ts";

process.exitCode = await dispatch(process.argv.slice(2), process.env);
