#!/usr/bin/env python3
"""Calls Avanan, signed by Vault, with Python's standard library alone.

    VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=... avanan.py '/v1.0/msp/usage?year=2026&month=8'
"""
import json
import os
import sys
import urllib.error
import urllib.request


def sign(request_string):
    """Asks Vault for the headers of one call, and for where to send it."""
    request = urllib.request.Request(
        os.environ["VAULT_ADDR"] + "/v1/apisig/sign/avanan/us",
        data=json.dumps({"request_string": request_string}).encode(),
        headers={"X-Vault-Token": os.environ["VAULT_TOKEN"]},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def call(request_string):
    """Makes the call, and once more with a new signature where Avanan answers 401: its JWT may have just ended."""
    for last in (False, True):
        signed = sign(request_string)
        try:
            with urllib.request.urlopen(
                urllib.request.Request(signed["url"], headers=signed["headers"]), timeout=60
            ) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 401 or last:
                raise


if __name__ == "__main__":
    print(call(sys.argv[1]))
