#!/usr/bin/env python3
"""Calls Avanan, signed by Vault, with Python's standard library alone.

    VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=... avanan.py '/v1.0/msp/usage?year=2026&month=8'

VAULT_NAMESPACE, VAULT_CACERT and VAULT_CAPATH mean what they mean to the vault command. If AVANAN_URL is set, such as
to https://smart-api-production-1-us.avanan.net, it calls no other address.
"""
import json
import os
import pathlib
import ssl
import sys
import urllib.error
import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: urllib would send the signed headers to any host that a redirect names."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        raise urllib.error.HTTPError(req.full_url, code, f"refused to follow a redirect to {newurl}", headers, fp)


def vault_context():
    """The CAs that Vault's certificate may be from: those of VAULT_CACERT or VAULT_CAPATH alone, else the system's."""
    cacert, capath = os.environ.get("VAULT_CACERT"), os.environ.get("VAULT_CAPATH")
    if cacert or not capath:
        return ssl.create_default_context(cafile=cacert or None)
    files = [file for file in pathlib.Path(capath).rglob("*") if file.is_file()]
    return ssl.create_default_context(cadata="\n".join(file.read_text() for file in files))


vendor = urllib.request.build_opener(NoRedirect)


def sign(request_string, unauthorized):
    """Asks Vault for the headers of one call and for the URL to send them to. unauthorized reports a 401 to Vault."""
    parameters = {"request_string": request_string}
    if unauthorized:
        parameters["unauthorized"] = True
    request = urllib.request.Request(
        os.environ["VAULT_ADDR"] + "/v1/apisig/sign/avanan/us",
        data=json.dumps(parameters).encode(),
        headers={"X-Vault-Token": os.environ["VAULT_TOKEN"]},
        method="PUT",
    )
    if namespace := os.environ.get("VAULT_NAMESPACE"):
        request.add_header("X-Vault-Namespace", namespace)
    vault = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=vault_context()))
    try:
        with vault.open(request, timeout=60) as answer:
            signed = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.url}: {error}: {error.read().decode()}") from error
    base_url = os.environ.get("AVANAN_URL") or signed["url"].removesuffix(request_string)
    if signed["url"] != base_url + request_string:
        raise ValueError(f"the signature is for {signed['url']}, which is another call: nothing was sent")
    return signed


def call(request_string):
    """Makes the call. After a 401 it reports that to Vault, which may get a new JWT, and tries once more."""
    for unauthorized in (False, True):
        signed = sign(request_string, unauthorized)
        try:
            with vendor.open(urllib.request.Request(signed["url"], headers=signed["headers"]), timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 401 or unauthorized:
                raise


if __name__ == "__main__":
    if len(sys.argv) != 2 or not {"VAULT_ADDR", "VAULT_TOKEN"} <= os.environ.keys():
        sys.exit(__doc__)
    try:
        print(call(sys.argv[1]))
    except urllib.error.HTTPError as error:
        sys.exit(f"avanan.py: {error.url}: {error}")
    except (OSError, ValueError) as error:
        sys.exit(f"avanan.py: {error}")
