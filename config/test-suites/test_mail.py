"""What becomes of mail when its path is faulty; `send` stands for the code under test."""

import smtplib

MESSAGE = "Subject: hello\r\n\r\nwords\r\n"


def send(port, *recipients, tries=2):
    for left in reversed(range(tries)):
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as relay:
                return relay.sendmail("app@example.com", recipients, MESSAGE)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException):
            if left == 0:
                raise


def test_a_busy_relay_is_asked_again(lockstep):
    lockstep.add('command MAIL sessions=2 do answer "451 4.3.0 Busy"')
    send(lockstep.port, "me@example.com")
    send(lockstep.port, "me@example.com")
    lockstep.verify({"messages": 2}, {"retried": {"after": "4"}})


def test_one_refused_recipient_does_not_harm_the_others(lockstep):
    lockstep.add('command RCPT nth=2 do answer "550 5.1.1 Nobody of that name"')
    refused = send(lockstep.port, "a@example.com", "b@example.com", "c@example.com")
    assert list(refused) == ["b@example.com"]
    lockstep.verify({"messages": 1}, {"seen": "U> RCPT TO:<c@example.com>"},
                    {"unseen": "U> RCPT TO:<b@example.com>"})


def test_a_connection_that_breaks_is_made_again(lockstep):
    lockstep.add("command DATA sessions=2 do end reset")
    send(lockstep.port, "me@example.com")
    send(lockstep.port, "me@example.com")
    lockstep.verify({"messages": 2}, {"sessions": 3})
