"""The profiles of faults: what the build made of config/faults/*.yaml is what a reader of YAML finds.

src/fault/profiles.cmake reads a plain form of YAML. Here the same files are read by the reader of the
configuration, and by Python's where there is one, and compared with what `lockstep fault --list` says.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support import suite  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

LOCKSTEP = os.environ["LOCKSTEP"]
PROFILES = sorted((HERE.parent.parent / "config" / "faults").glob("*.yaml"))
SCENARIOS = HERE.parent / "scenarios" / "faults"
WORDS = ["profile", "says", "sources", "confidence", "healed", "rules"]
CONFIDENCES = ("SRC", "VEN", "REP", "DER", "GAP")

# What has to be there under exactly these names.
WANTED = """cisco-pix cisco-asa f-secure zorp dlink-dfl checkpoint fortigate-bdat juniper-av sonicwall-av
symantec-sgs watchguard stormshield snort-inline norton-2002 early-ack short-eod-timeout isp-redirect
starttls-strip keyword-first pmtu-blackhole idle-expiry rst-on-verb lost-command reorder injected-noop
broken-pipelining split-replies early-5xx lost-250 greet-delay tarpit truncate eight-bit crlf-normaliser
flap greylist rate-limit""".split()

CONFIG = """config_version: 1
relays: {r: {address: smtp://192.0.2.1}}
listeners:
  - name: a
    listen: 127.0.0.1:25
    relay: r
    mode: fault
    faults:
"""


def run(*arguments):
    return subprocess.run([LOCKSTEP, *arguments], capture_output=True, text=True, timeout=30,
                          check=False)


def compiled(name):
    """The words and the rules of a profile, as the program has them."""
    ran = run("fault", "--list", name)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0 and len(lines) > 3, ran.stderr
    sources, confidence = lines[1].removeprefix("# ").rsplit("; ", 1)
    return {"profile": name, "says": lines[0].removeprefix("# "), "sources": sources,
            "confidence": confidence,
            "healed": lines[2].removeprefix("# put right by lockstep: "), "rules": lines[3:]}


def shown(value):
    """What a scalar is that `lockstep check` has printed: plain, or in quotes with escapes."""
    if value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def checked(values):
    """The values, in the notation of the file, as the reader of the configuration finds them."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "config.yaml"
        path.write_text(CONFIG + "".join(f"      - {value}\n" for value in values))
        ran = run("check", "-c", str(path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line = re.search(r"^ +faults: \[?(.*?)\]?$", ran.stdout, re.MULTILINE)[1]
    return [shown(value) for value in re.findall(r'"(?:\\.|[^"\\])*"|[^, ][^,]*', line)]


class Profiles(unittest.TestCase):
    maxDiff = None

    def test_all_that_were_promised(self):
        names = [path.stem for path in PROFILES]
        self.assertEqual(set(WANTED) - set(names), set())
        for style in ("opensmtpd", "exim", "postfix", "sendmail", "postscreen"):
            self.assertIn(f"early-talk-{style}", names)

    def test_the_list_has_each_once(self):
        listed = [line.split()[0] for line in run("fault", "--list").stdout.splitlines()]
        self.assertEqual(sorted(listed), sorted(path.stem for path in PROFILES))


def add_cases():
    """One test per file, so that the summary counts them."""
    for path in PROFILES:
        def profile(self, path=path):
            found = compiled(path.stem)
            lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
            self.assertEqual([line.split(":")[0] for line in lines if not line.startswith(" ")],
                             WORDS)
            self.assertEqual(lines[0], f"profile: {path.stem}")
            if yaml is not None:
                self.assertEqual(yaml.safe_load(path.read_text()), found)
            rules = [line[4:] for line in lines if line.startswith("  - ")]
            self.assertEqual(checked(rules), found["rules"])
            self.assertIn(found["confidence"], CONFIDENCES)
            self.assertRegex(found["says"], r"^[A-Z].{20,}\.$")
            self.assertRegex(found["healed"], r"^(yes|[A-Z].{20,}\.)$")
            self.assertTrue(found["sources"])
            scenario = SCENARIOS / f"{path.stem}.smtp"
            self.assertTrue(scenario.exists(), "a profile has a scenario of its name")
            if path.stem not in ("flap",):
                self.assertIn(f"\n@ faults {path.stem}\n", scenario.read_text())
        setattr(Profiles, f"test_{path.stem.replace('-', '_')}", profile)


add_cases()

if __name__ == "__main__":
    assert len(PROFILES) >= 80
    suite.main()
