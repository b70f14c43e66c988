// A certified OpenID Connect provider with everything in memory. Who signs in next, and
// how, is said by POST /test/next; POST /test/rotate gives it new keys.
// Usage: node server.mjs PORT CLIENTS, where CLIENTS is JSON.
import http from "node:http";
import crypto from "node:crypto";
import Provider from "oidc-provider";

const [port, clients] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const accounts = new Map();
let next = {};

const key = () => ({...crypto.generateKeyPairSync("rsa", {modulusLength: 2048}).privateKey.export({format: "jwk"}), kid: crypto.randomUUID(), use: "sig", alg: "RS256"});

function make(keys) {
    const provider = new Provider(issuer, {
        clients: JSON.parse(clients),
        jwks: {keys},
        cookies: {keys: [crypto.randomUUID()]},
        claims: {openid: ["sub", "employee_id", "groups", "amr"], profile: ["name"]},
        conformIdTokenClaims: false,
        // It would call no client on this machine.
        fetch: (url, {dispatcher, ...options}) => fetch(url, options),
        acrValues: ["urn:behov:test:mfa"],
        features: {devInteractions: {enabled: false}, backchannelLogout: {enabled: true}, rpInitiatedLogout: {enabled: true, logoutSource: (ctx, form) => { ctx.body = form; }}},
        interactions: {url: (ctx, interaction) => `/interaction/${interaction.uid}`},
        findAccount: (ctx, sub) => ({accountId: sub, claims: () => ({sub, ...accounts.get(sub)})}),
        ttl: {Session: 3600, Grant: 3600, IdToken: 600, AccessToken: 600, Interaction: 600, AuthorizationCode: 60},
    });
    return provider;
}

let keys = [key()];
let provider = make(keys);
let callback = provider.callback();

async function interaction(req, res) {
    const {prompt, params, session} = await provider.interactionDetails(req, res);
    if (next.deny) {
        return provider.interactionFinished(req, res, {error: "access_denied"}, {mergeWithLastSubmission: false});
    }
    if (prompt.name === "login") {
        accounts.set(next.sub, next.claims ?? {});
        return provider.interactionFinished(req, res, {login: {accountId: next.sub, acr: next.acr, amr: next.amr}}, {mergeWithLastSubmission: false});
    }
    const grant = new provider.Grant({accountId: session.accountId, clientId: params.client_id});
    grant.addOIDCScope(params.scope);
    const grantId = await grant.save();
    return provider.interactionFinished(req, res, {consent: {grantId}}, {mergeWithLastSubmission: true});
}

async function body(req) {
    const parts = [];
    for await (const part of req) parts.push(part);
    return Buffer.concat(parts).toString();
}

http.createServer(async (req, res) => {
    try {
        if (req.url.startsWith("/interaction/")) return await interaction(req, res);
        if (req.url === "/test/next") {
            next = JSON.parse(await body(req));
            return res.end("{}");
        }
        if (req.url === "/test/rotate") {
            keys = [key()];
            provider = make(keys);
            callback = provider.callback();
            return res.end("{}");
        }
        callback(req, res);
    } catch (err) {
        console.error(err);
        res.statusCode = 500;
        res.end(String(err));
    }
}).listen(Number(port), "127.0.0.1");
