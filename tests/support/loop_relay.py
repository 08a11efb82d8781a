"""The relay of the closed loop: one Postfix, with a port for each thing that a conversation needs."""

from support import place, relays, secure_relays

# What each port has that the others have not; all but "login" take mail from everybody.
OPEN = "-o smtpd_sasl_auth_enable=no -o smtpd_recipient_restrictions=permit_mynetworks,reject"
CLEAR = f"{OPEN} -o smtpd_tls_security_level=none"
SERVICES = {
    "plain": CLEAR,
    "lenient": f"{CLEAR} -o smtpd_forbid_unauth_pipelining=no",
    "slow": f"{CLEAR} -o {{ smtpd_end_of_data_restrictions = sleep 2 }}",
    "tls": OPEN,
    "login": "-o smtpd_tls_security_level=none",
}
# Mailboxes beside one's and two's, and whose they are.
BOXES = {"451-greylisted@fault.test": "one", "two@partner.test": "two"}


class Postfix(secure_relays.Postfix):
    name = "postfix"

    def __init__(self):
        self.services = {name: place.free_port() for name in SERVICES}
        super().__init__()

    def _settings(self, here):
        boxes = {f"{user}@{relays.DOMAIN}": user for user in relays.USERS} | BOXES
        maps = ", ".join(f"{{ {address} = {user}/ }}" for address, user in boxes.items())
        # What stands again here holds.
        return super()._settings(here) + f"""
recipient_delimiter = +
virtual_mailbox_domains = {relays.DOMAIN}, fault.test, partner.test
virtual_mailbox_maps = inline:{{ {maps} }}
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_error_sleep_time = 0
"""

    def _services(self):
        return super()._services() + "".join(
            f"\n127.0.0.1:{port} inet n - n - - smtpd {SERVICES[name]}"
            for name, port in self.services.items())

    def login(self):
        return f"\0{secure_relays.USER}\0{secure_relays.PASSWORD}"


class Only:
    """Another relay, which has only what it is."""

    def __init__(self, relay):
        self.relay = relay
        self.services = {"plain": relay.port}

    def login(self):
        return ""

    def files(self, user):
        return self.relay.files(user)

    def __enter__(self):
        self.relay.__enter__()
        return self

    def __exit__(self, *end):
        self.relay.__exit__(*end)


def start(name):
    return Postfix() if name == "postfix" else Only(relays.RELAYS[name]())
