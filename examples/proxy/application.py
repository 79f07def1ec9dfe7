#!/usr/bin/env python3
"""Calls both vendors through apisig-proxy, and knows nothing but base URLs.

    AVANAN_URL=http://127.0.0.1:8410/avanan/us PAVE_URL=http://127.0.0.1:8410/pave application.py
"""
import os
import urllib.request


def call(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


print(call(os.environ["AVANAN_URL"] + "/v1.0/event/1"))
print(call(os.environ["AVANAN_URL"] + "/v1.0/event/query", b'{"requestData": {}}'))
print(call(os.environ["PAVE_URL"] + "/v1/sessions"))
