'use strict';
// Accepts mail for the users of config/store.json and stores it in their Maildirs.

const fs = require('node:fs');
const path = require('node:path');

exports.register = function () {
    this.wanted = this.config.get('store.json');
};

// Whoever looks something up answers later, and Haraka itself counts on it: a MAIL or EHLO inside a
// transaction that is answered at once is the last it ever answers.
const later = (next) => setImmediate(next);
exports.hook_helo = later;
exports.hook_ehlo = later;

exports.hook_connect = function (next) {
    if (this.wanted.refuses) next(DENY);
    else next();
};

exports.hook_mail = function (next, connection, [sender]) {
    if (sender.address() === this.wanted.stranger) setImmediate(next, DENY, 'Not your address');
    else setImmediate(next);
};

exports.hook_data_post = function (next, connection) {
    const author = connection.transaction.header.get('From');
    if (author.includes(this.wanted.stranger)) return next(DENY, 'Not your From');
    next();
};

exports.hook_rcpt = function (next, connection, [recipient]) {
    const { domain, users, asks } = this.wanted;
    if (asks && !connection.notes.auth_user) setImmediate(next, DENY, 'log in first');
    else if (recipient.host === domain && users.includes(recipient.user)) setImmediate(next, OK);
    else setImmediate(next, DENY, 'No such user');
};

exports.hook_queue = function (next, connection) {
    const { rcpt_to, message_stream, uuid } = connection.transaction;
    message_stream.get_data((message) => {
        rcpt_to.forEach(({ user }, number) => {
            const folder = path.join(this.wanted.mail, user);
            const name = `${uuid}.${number}`;
            fs.writeFileSync(path.join(folder, 'tmp', name), message);
            fs.renameSync(path.join(folder, 'tmp', name), path.join(folder, 'new', name));
        });
        next(OK, 'stored');
    });
};
// Of a client that has logged in, Haraka takes every recipient to be elsewhere.
exports.hook_queue_outbound = exports.hook_queue;
