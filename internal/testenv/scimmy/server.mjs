// A SCIM server on SCIMMY with everything in memory. Each path /NAME/scim/v2 is
// a service of its own, there from the first request on.
// Usage: node server.mjs PORT TOKEN
import crypto from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, token] = process.argv.slice(2);
const services = new Map();

function service(name) {
    if (!services.has(name)) services.set(name, {users: new Map(), groups: new Map()});
    return services.get(name);
}

// store returns handlers that keep resources of one type.
function store(kind, unique, {check = () => {}, removed = () => {}} = {}) {
    const lower = (v) => String(v).toLowerCase();
    return {
        egress: (resource, ctx) => {
            const all = ctx[kind];
            if (resource.id) {
                if (!all.has(resource.id)) throw new SCIMMY.Types.Error(404, null, "Resource not found");
                return all.get(resource.id);
            }
            const list = [...all.values()];
            return resource.filter ? resource.filter.match(list) : list;
        },
        ingress: (resource, instance, ctx) => {
            const all = ctx[kind];
            if (resource.id && !all.has(resource.id)) throw new SCIMMY.Types.Error(404, null, "Resource not found");
            const id = resource.id ?? crypto.randomUUID();
            for (const [other, r] of all) {
                if (other !== id && lower(r[unique]) === lower(instance[unique])) {
                    throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
                }
            }
            const kept = {...JSON.parse(JSON.stringify(instance)), id};
            check(kept, ctx);
            all.set(id, kept);
            return kept;
        },
        degress: (resource, ctx) => {
            if (!ctx[kind].delete(resource.id)) throw new SCIMMY.Types.Error(404, null, "Resource not found");
            removed(resource.id, ctx);
        },
    };
}

SCIMMY.Resources.declare(SCIMMY.Resources.User, {
    extensions: [{schema: SCIMMY.Schemas.EnterpriseUser, required: false}],
    ...store("users", "userName", {
        removed: (id, ctx) => {
            for (const g of ctx.groups.values()) g.members = g.members?.filter((m) => m.value !== id);
        },
    }),
});
SCIMMY.Resources.declare(SCIMMY.Resources.Group, store("groups", "displayName", {
    check: (group, ctx) => {
        const seen = new Set();
        group.members = group.members?.filter((m) => !seen.has(m.value) && seen.add(m.value));
        for (const id of seen) {
            if (!ctx.users.has(id)) throw new SCIMMY.Types.Error(400, "invalidValue", "a member is no user");
        }
    },
}));

const app = express();
// scimmy-routers writes numbers into req.query, which Express 5 parses anew
// each time it is looked at: without this, every page would be the first.
app.set("query parser", (text) => {
    const query = Object.fromEntries(new URLSearchParams(text));
    for (const name of ["startIndex", "count"]) if (query[name] !== undefined) query[name] = Number(query[name]);
    return query;
});
app.use("/:service/scim/v2", new SCIMMYRouters({
    type: "bearer",
    context: (req) => service(req.params.service ?? req.baseUrl.split("/")[1]),
    handler: (req) => {
        if (req.header("Authorization") !== `Bearer ${token}`) throw new Error("The token is not valid");
    },
}));
app.listen(Number(port), "127.0.0.1");
