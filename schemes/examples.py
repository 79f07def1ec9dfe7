#!/usr/bin/env python3
"""Computes the signatures of the examples again, without the engine.

Every scheme in this folder states what it must produce for its examples. This script computes the same values from the
APIs' documentation, with nothing but Python's hmac and hashlib. Where the vendor published the values, the script shows
that they are what its own rules produce.

    python3 schemes/examples.py          compare every value with the schemes, and say what differs
    python3 schemes/examples.py --json   print the values: scheme, example, header or parameter
"""

import base64
import functools
import hashlib
import hmac
import json
import pathlib
import sys
import urllib.parse

EXAMPLES = {}


def example(scheme, name):
    """Registers a function that returns the header and query values of one example."""

    def register(function):
        EXAMPLES.setdefault(scheme, {})[name] = function
        return function

    return register


def b64(octets):
    return base64.b64encode(octets).decode()


def b64url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def mac(algorithm, key, message):
    key = key.encode() if isinstance(key, str) else key
    message = message.encode() if isinstance(message, str) else message
    return hmac.new(key, message, algorithm)


def digest(algorithm, text):
    return hashlib.new(algorithm, text.encode())


def encode(text):
    """Percent-encoding of RFC 3986: every octet except the unreserved characters."""
    return urllib.parse.quote(text, safe="-._~")


def sorted_pairs(*pairs):
    """Name=value pairs as OAuth, AWS and Alibaba want them: encoded, then sorted."""
    return "&".join(f"{n}={v}" for n, v in sorted((encode(n), encode(v)) for n, v in pairs))


EMPTY = hashlib.sha256(b"").hexdigest()


# --- Clouds ---


def aws(key_id, secret, instant, region, service, method, path, query, headers, body_hash):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
    headers = dict(sorted(headers.items()))
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join([method, path, query, lines, signed, body_hash])
    scope = "/".join([instant[:8], region, service, "aws4_request"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", instant, scope, digest("sha256", request).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = mac("sha256", key, part).digest()
    signature = mac("sha256", key, to_sign).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


def aws_suite(method="GET", query="", **more):
    instant = "20150830T123600Z"
    return {"Authorization": aws(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", instant, "us-east-1", "service", method, "/", query,
        {"host": "example.amazonaws.com", "x-amz-date": instant} | more.get("headers", {}), more.get("body_hash", EMPTY))}


@example("aws-sigv4", "get-vanilla of the AWS Signature Version 4 test suite")
def _():
    got = aws_suite()
    assert got["Authorization"].endswith("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    return got


@example("aws-sigv4", "get-vanilla-query-order-key-case of the AWS Signature Version 4 test suite")
def _():
    got = aws_suite(query="Param1=value1&Param2=value2")
    assert got["Authorization"].endswith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
    return got


@example("aws-sigv4", "post-vanilla of the AWS Signature Version 4 test suite")
def _():
    got = aws_suite("POST")
    assert got["Authorization"].endswith("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
    return got


@example("aws-sigv4", "a call of DynamoDB with a body and a target, made with Python's hmac")
def _():
    body = '{"Limit":10}'
    instant = "20260102T030405Z"
    return {"Authorization": aws(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", instant, "eu-central-1", "dynamodb", "POST", "/", "",
        {"host": "dynamodb.eu-central-1.amazonaws.com", "x-amz-date": instant,
         "x-amz-target": "DynamoDB_20120810.ListTables"}, digest("sha256", body).hexdigest())}


SESSION_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRq"
    "TflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75Y"
    "U9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9K"
    "SYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==")


@example("aws-sigv4", "post-sts-header-before of the AWS Signature Version 4 test suite")
def _():
    got = aws_suite("POST", headers={"x-amz-security-token": SESSION_TOKEN})
    assert got["Authorization"].endswith("85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")
    return got | {"X-Amz-Security-Token": SESSION_TOKEN}


def aws_path(service, host, method, sent, query="", body=""):
    """The path as it is sent is encoded once more, segment by segment: botocore's SigV4Auth does it with quote."""
    instant = "20260102T030405Z"
    return {"Authorization": aws(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", instant, "eu-central-1", service, method,
        urllib.parse.quote(sent, safe="/~"), query, {"host": host, "x-amz-date": instant},
        digest("sha256", body).hexdigest())}


@example("aws-sigv4", "a call of Bedrock, whose model has an encoded colon, made with Python's hmac")
def _():
    return aws_path("bedrock", "bedrock-runtime.eu-central-1.amazonaws.com", "POST",
                    "/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke", body="{}")


@example("aws-sigv4", "a call of a Lambda function by its ARN, made with Python's hmac")
def _():
    return aws_path("lambda", "lambda.eu-central-1.amazonaws.com", "POST", "/2015-03-31/functions/"
                    "arn:aws:lambda:eu-central-1:123456789012:function:report/invocations", body="{}")


@example("aws-sigv4", "a search of OpenSearch, whose index has an asterisk, made with Python's hmac")
def _():
    return aws_path("es", "search-example.eu-central-1.es.amazonaws.com", "GET", "/logs-*/_search", "q=level%3Aerror")


def aws_s3(query, method="GET", path="/", body_hash=EMPTY, more=None):
    instant = "20130524T000000Z"
    headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": body_hash, "x-amz-date": instant}
    return {"Authorization": aws(
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", instant, "us-east-1", "s3", method, path, query,
        headers | (more or {}), body_hash)}


@example("aws-s3", "Get Bucket Lifecycle of the AWS documentation")
def _():
    got = aws_s3("lifecycle=")
    assert got["Authorization"].endswith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    return got


@example("aws-s3", "Get Bucket (List Objects) of the AWS documentation")
def _():
    got = aws_s3("max-keys=2&prefix=J")
    assert got["Authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    return got


@example("aws-s3", "a PUT whose key needs percent-encoding, made with Python's hmac")
def _():
    return aws_s3("", "PUT", "/reports/a%20b%24.txt", digest("sha256", "hello").hexdigest())


@example("aws-s3", "a GET with a session token and every byte that is encoded in one form, made with Python's hmac")
def _():
    key = ' !"#$&\'()*+:;<=>?@[]^`{|}\u00fc'
    return aws_s3("", path="/" + urllib.parse.quote(key), more={"x-amz-security-token": SESSION_TOKEN})


def azure(key, verb, length, content_type, headers, resource, md5=""):
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    fields = [verb, "", "", length, md5, content_type, "", "", "", "", "", ""]
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    signature = mac("sha256", base64.b64decode(key), "\n".join(fields) + "\n" + lines + resource)
    return {"Authorization": "SharedKey exampleaccount:" + b64(signature.digest())}


AZURE_CALLS = {
    "Get Blob": ("GET", "", "", {}, "/box/a%20b.txt"),
    "Put Blob": ("PUT", "5", "text/plain", {"x-ms-blob-type": "BlockBlob"}, "/box/hello.txt"),
    "List Blobs": ("GET", "", "", {}, "/box\ncomp:list\nrestype:container"),
    "List Blobs with a prefix": ("GET", "", "", {}, "/box\ncomp:list\nmaxresults:10\nprefix:a b/\nrestype:container"),
    "Put Block": ("PUT", "5", "", {}, "/box/a\nblockid:MDAx+/==\ncomp:block"),
    "Put Block List": ("PUT", "70", "", {}, "/box/a\ncomp:blocklist"),
    "Put Blob with an empty body": ("PUT", "", "", {"x-ms-blob-type": "BlockBlob"}, "/box/a"),
    "Copy Blob": ("PUT", "", "", {"x-ms-copy-source": "https://exampleaccount.blob.core.windows.net/box/a%20b.txt"},
                  "/box/b"),
    "Set Blob Tier": ("PUT", "", "", {"x-ms-access-tier": "Cool"}, "/box/a\ncomp:tier"),
    "Delete Blob with its snapshots": ("DELETE", "", "", {"x-ms-delete-snapshots": "include"}, "/box/a"),
    "Put Page": ("PUT", "512", "", {"x-ms-page-write": "update", "x-ms-range": "bytes=0-511"}, "/box/disk\ncomp:page"),
    "Put Message": ("POST", "63", "", {}, "/tasks/messages\nmessagettl:3600\nvisibilitytimeout:30"),
    "Delete Message": ("DELETE", "", "", {}, "/tasks/messages/0b01\npopreceipt:AgAAAAMA+/A="),
    "Create File": ("PUT", "", "", {"x-ms-content-length": "1024", "x-ms-type": "file"}, "/share/a.txt"),
    "Put Range": ("PUT", "5", "", {"x-ms-range": "bytes=0-4", "x-ms-write": "update"}, "/share/a.txt\ncomp:range"),
}
AZURE_PARAMETERS = {
    "blockid": "MDAx", "blocklisttype": "all", "comp": "list", "delimiter": "/", "include": "metadata",
    "marker": "2!76!MDA", "maxresults": "10", "messagettl": "-1", "numofmessages": "32", "peekonly": "true", "popreceipt": "AgAA+/A=",
    "prefix": "a b/", "restype": "container", "snapshot": "2026-01-02T03:04:05.1234567Z", "timeout": "30",
    "versionid": "2026-01-02T03:04:05.1234567Z", "visibilitytimeout": "60",
}
AZURE_CALLS["every parameter and header in one call, to show their order"] = (
    "GET", "", "", {
        "x-ms-access-tier": "Hot", "x-ms-blob-content-length": "512", "x-ms-blob-type": "BlockBlob",
        "x-ms-content-length": "1024", "x-ms-copy-source": "https://example.com/a", "x-ms-delete-snapshots": "only",
        "x-ms-page-write": "clear", "x-ms-range": "bytes=0-", "x-ms-type": "file"},
    "/box" + "".join(f"\n{name}:{value}" for name, value in sorted(AZURE_PARAMETERS.items())),
    "XUFAKrxLKna5cZ2REBfFkg==")
for name, (verb, length, content_type, headers, resource, *md5) in AZURE_CALLS.items():
    headers = headers | {"x-ms-date": "Fri, 02 Jan 2026 03:04:05 GMT", "x-ms-version": "2021-12-02"}
    example("azure-storage", name + ", made with Python's hmac")(functools.partial(
        azure, b64(b"an example key of Azure Storage!"), verb, length, content_type, headers,
        "/exampleaccount" + resource, *md5))


def azure_hmac(method, path_query, body):
    """https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac"""
    content = b64(digest("sha256", body).digest())
    to_sign = f"{method}\n{path_query}\nFri, 02 Jan 2026 03:04:05 GMT;example.azconfig.io;{content}"
    signature = b64(mac("sha256", b"an example secret", to_sign).digest())
    return {"Authorization": "HMAC-SHA256 Credential=example-id&"
                             f"SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
            "x-ms-content-sha256": content}


@example("azure-app-configuration", "a read of App Configuration, made with Python's hmac")
def _():
    return azure_hmac("GET", "/kv?label=*&api-version=1.0", "")


@example("azure-app-configuration", "a write with a body, made with Python's hmac")
def _():
    return azure_hmac("PUT", "/kv/colour?api-version=1.0", '{"value":"blue"}')


def tencent(key_id, key, stamp, date, service, headers, body):
    """https://www.tencentcloud.com/document/api/213/33224"""
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join(["POST", "/", "", lines, signed, digest("sha256", body).hexdigest()])
    scope = f"{date}/{service}/tc3_request"
    to_sign = "\n".join(["TC3-HMAC-SHA256", stamp, scope, digest("sha256", request).hexdigest()])
    signing_key = ("TC3" + key).encode()
    for part in scope.split("/"):
        signing_key = mac("sha256", signing_key, part).digest()
    signature = mac("sha256", signing_key, to_sign).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


@example("tencent-tc3", "DescribeInstances of the Tencent Cloud documentation")
def _():
    body = r'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    assert digest("sha256", body).hexdigest() == "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064"
    got = {"Authorization": tencent(
        "AKID" + "*" * 32, "*" * 32, "1551113065", "2019-02-25", "cvm",
        {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com",
         "x-tc-action": "describeinstances"}, body)}
    assert got["Authorization"].endswith("10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f")
    return got


def alibaba_rpc(method, secret, *pairs):
    """https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism"""
    to_sign = f"{method}&%2F&{encode(sorted_pairs(*pairs))}"
    return {"Signature": b64(mac("sha1", secret + "&", to_sign).digest())}


@example("alibaba-rpc", "DescribeDedicatedHosts of the Alibaba Cloud documentation")
def _():
    got = alibaba_rpc(
        "GET", "testsecret", ("AccessKeyId", "testid"), ("Action", "DescribeDedicatedHosts"), ("Format", "JSON"),
        ("RegionId", "cn-beijing"), ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "edb2b34af0af9a6d14deaf7c1a5315eb"), ("SignatureVersion", "1.0"),
        ("Timestamp", "2023-03-13T08:34:30Z"), ("Version", "2014-05-26"))
    assert got["Signature"] == "9NaGiOspFP5UPcwX8Iwt2YJXXuk="
    return got


@example("alibaba-rpc", "DescribeRegions of an older edition of the Alibaba Cloud documentation")
def _():
    got = alibaba_rpc(
        "GET", "testsecret", ("AccessKeyId", "testid"), ("Action", "DescribeRegions"), ("Format", "XML"),
        ("SignatureMethod", "HMAC-SHA1"), ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("SignatureVersion", "1.0"), ("Timestamp", "2016-02-23T12:46:24Z"), ("Version", "2014-05-26"))
    assert got["Signature"] == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
    return got


def alibaba_acs3(method, host, path, query, action, version):
    """https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature"""
    headers = {"host": host, "x-acs-action": action, "x-acs-content-sha256": EMPTY,
               "x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
               "x-acs-version": version}
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join([method, path, query, lines, signed, EMPTY])
    to_sign = "ACS3-HMAC-SHA256\n" + digest("sha256", request).hexdigest()
    signature = mac("sha256", "YourAccessKeySecret", to_sign).hexdigest()
    return {"Authorization": f"ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={signed},Signature={signature}"}


@example("alibaba-acs3", "RunInstances of the Alibaba Cloud documentation")
def _():
    query = sorted_pairs(("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
                         ("RegionId", "cn-shanghai"))
    got = alibaba_acs3("POST", "ecs.cn-shanghai.aliyuncs.com", "/", query, "RunInstances", "2014-05-26")
    assert got["Authorization"].endswith("06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")
    return got


@example("alibaba-acs3", "a path with a colon and an asterisk, made with Python's hmac")
def _():
    path = "/clusters/" + encode("a:b*")
    return alibaba_acs3("GET", "cs.cn-shanghai.aliyuncs.com", path, "", "DescribeExample", "2015-12-15")


@example("alibaba-acs3", "a path that is percent-encoded, made with Python's hmac")
def _():
    path = "/clusters/" + encode("a:b*/c d")
    return alibaba_acs3("GET", "cs.cn-shanghai.aliyuncs.com", path, "", "DescribeExample", "2015-12-15")


def huawei(sent, query=""):
    """https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html

    The path is decoded, and its segments are encoded: Huawei Cloud's SDK for Python does it with unquote and quote."""
    headers = {"content-type": "application/json", "host": "service.region.example.com", "x-sdk-date": "20191115T033655Z"}
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    path = "/".join(urllib.parse.quote(segment, safe="~") for segment in urllib.parse.unquote(sent).split("/")) + "/"
    hashed = digest("sha256", "\n".join(["GET", path, query, lines, signed, EMPTY])).hexdigest()
    signature = mac("sha256", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc",
                    f"SDK-HMAC-SHA256\n20191115T033655Z\n{hashed}").hexdigest()
    return hashed, {"Authorization": "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, "
                                     f"SignedHeaders={signed}, Signature={signature}"}


@example("huawei-cloud", "a list of VPCs of the Huawei Cloud documentation and SDK")
def _():
    hashed, got = huawei("/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
                         "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0")
    assert hashed == "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
    assert got["Authorization"].endswith("7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe")
    return got


@example("huawei-cloud", "a path with a colon and an asterisk, made with Python's hmac")
def _():
    return huawei("/v1/a:b*/c")[1]


@example("huawei-cloud", "a path that is percent-encoded, made with Python's hmac")
def _():
    return huawei("/v1/a%3Ab%2A/c%20d")[1]


def akamai(method, path_query, body=""):
    """https://techdocs.akamai.com/developer/docs/edgegrid-format-request"""
    host = "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net"
    stamp = "20140321T19:34:21+0000"
    token = ("EG1-HMAC-SHA256 client_token=akab-client-token-xxx-xxxxxxxxxxxxxxxx;"
             "access_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;"
             f"timestamp={stamp};nonce=nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx;")
    content = b64(digest("sha256", body).digest()) if method == "POST" and body else ""
    key = b64(mac("sha256", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=", stamp).digest())
    to_sign = "\t".join([method, "https", host, path_query, "", content, token])
    return {"Authorization": token + "signature=" + b64(mac("sha256", key, to_sign).digest())}


@example("akamai-edgegrid", "simple GET of Akamai's test vectors")
def _():
    got = akamai("GET", "/")
    assert got["Authorization"].endswith("=tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU=")
    return got


@example("akamai-edgegrid", "GET with querystring of Akamai's test vectors")
def _():
    got = akamai("GET", "/testapi/v1/t1?p1=1&p2=2")
    assert got["Authorization"].endswith("=hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA=")
    return got


@example("akamai-edgegrid", "POST inside limit of Akamai's test vectors")
def _():
    got = akamai("POST", "/testapi/v1/t3", "datadatadatadatadatadatadatadata")
    assert got["Authorization"].endswith("=hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4=")
    return got


# --- Exchanges ---


def binance(total):
    """https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security"""
    return {"signature": mac("sha256", "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j", total).hexdigest()}


@example("binance", "the order of the Binance documentation, in the query")
def _():
    got = binance("symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
                  "&timestamp=1499827319559")
    assert got["signature"] == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    return got


@example("binance", "an order in the query and the body, made with Python's hmac")
def _():
    return binance("symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&timestamp=1499827319559"
                   "quantity=1&price=0.1&recvWindow=5000")


@example("binance", "a call without parameters, made with Python's hmac")
def _():
    return binance("timestamp=1499827319559")


EXCHANGE_KEY = b64(b"an example key of an exchange, 32+")


@example("coinbase-exchange", "a list of accounts, made with Python's hmac")
def _():
    """https://docs.cdp.coinbase.com/exchange/docs/rest-auth"""
    key = base64.b64decode(EXCHANGE_KEY)
    return {"CB-ACCESS-SIGN": b64(mac("sha256", key, "1767323045" + "GET" + "/accounts?limit=5").digest())}


@example("coinbase-exchange", "an order, made with Python's hmac")
def _():
    body = '{"product_id":"BTC-EUR","side":"buy","type":"market","funds":"10"}'
    key = base64.b64decode(EXCHANGE_KEY)
    return {"CB-ACCESS-SIGN": b64(mac("sha256", key, "1767323045" + "POST" + "/orders" + body).digest())}


@example("kraken", "AddOrder of the Kraken documentation")
def _():
    """https://docs.kraken.com/api/docs/guides/spot-rest-auth"""
    key = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    nonce = "1616492376594"
    body = f"nonce={nonce}&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    message = b"/0/private/AddOrder" + digest("sha256", nonce + body).digest()
    signature = b64(mac("sha512", base64.b64decode(key), message).digest())
    assert signature == "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    return {"API-Sign": signature}


@example("kraken", "Balance, which has no parameters, made with Python's hmac")
def _():
    key = base64.b64decode(EXCHANGE_KEY)
    message = b"/0/private/Balance" + digest("sha256", "1767323045678912" + "nonce=1767323045678912").digest()
    return {"API-Sign": b64(mac("sha512", key, message).digest())}


def bybit(payload):
    """https://bybit-exchange.github.io/docs/v5/guide#authentication"""
    return {"X-BAPI-SIGN": mac("sha256", "an example secret", "1767323045678" + "examplekey" + "5000" + payload).hexdigest()}


@example("bybit", "a GET with a query, made with Python's hmac")
def _():
    return bybit("category=option&symbol=BTC-29JUL22-25000-C")


@example("bybit", "a POST with a body, made with Python's hmac")
def _():
    return bybit('{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"1"}')


def okx(method, path_query, body):
    """https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature"""
    message = "2026-01-02T03:04:05.678Z" + method + path_query + body
    return {"OK-ACCESS-SIGN": b64(mac("sha256", "an example secret", message).digest())}


@example("okx", "a balance, made with Python's hmac")
def _():
    return okx("GET", "/api/v5/account/balance?ccy=BTC", "")


@example("okx", "an order, made with Python's hmac")
def _():
    return okx("POST", "/api/v5/trade/order", '{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"market","sz":"1"}')


def kucoin(method, path_query, body="", key="an example secret"):
    """https://www.kucoin.com/docs-new/authentication"""
    return {"KC-API-SIGN": b64(mac("sha256", key, "1767323045678" + method + path_query + body).digest())}


@example("kucoin", "the query of KuCoin's page, made with Python's hmac")
def _():
    sent = "apiKey=67b3&subName=test&passphrase=abc%21%40%2311"
    assert urllib.parse.unquote_plus(sent) == "apiKey=67b3&subName=test&passphrase=abc!@#11"
    return kucoin("DELETE", "/api/v1/sub/api-key?" + urllib.parse.unquote_plus(sent))


@example("kucoin", "an order, made with Python's hmac")
def _():
    return kucoin("POST", "/api/v1/orders", '{"clientOid":"1","side":"buy","symbol":"BTC-USDT"}') | {
        "KC-API-PASSPHRASE": b64(mac("sha256", "an example secret", "an example phrase").digest())}


@example("kucoin", "a query that needs no encoding, made with Python's hmac")
def _():
    return kucoin("DELETE", "/api/v1/sub/api-key?apiKey=67*b3&subName=test")


def gate(method, path, query, body, key="secret", stamp="1541993715"):
    """https://www.gate.com/docs/developers/apiv4/en/#apiv4-signed-request-requirements"""
    message = "\n".join([method, path, query, digest("sha512", body).hexdigest(), stamp])
    return {"SIGN": mac("sha512", key, message).hexdigest()}


@example("gate-io", "a query that is percent-encoded, made with Python's hmac")
def _():
    sent = "sub_uid=10003%2C10004&text=a+b"
    return gate("GET", "/api/v4/wallet/sub_account_balances", urllib.parse.unquote_plus(sent), "")


@example("gate-io", "GET of the Gate documentation")
def _():
    got = gate("GET", "/api/v4/futures/orders", "contract=BTC_USD&status=finished&limit=50", "")
    assert got["SIGN"].startswith("55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6")
    return got


@example("gate-io", "POST of the Gate documentation")
def _():
    got = gate("POST", "/api/v4/futures/orders", "",
               '{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}')
    assert got["SIGN"].startswith("eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541f")
    return got


@example("bitfinex", "a list of wallets, made with Python's hmac")
def _():
    """https://docs.bitfinex.com/docs/rest-auth"""
    message = "/api/v2/auth/r/wallets" + "1767323045678912" + "{}"
    return {"bfx-signature": mac("sha384", "an example secret", message).hexdigest()}


# --- Services ---


DUO_KEY = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"
DUO_DATE = "Tue, 21 Aug 2012 17:29:18 -0000"
DUO_HOST = "api-xxxxxxxx.duosecurity.com"
DUO_LIST = "/accounts/v1/account/list"


def duo(algorithm, method, path, pairs, json_body=None, date=DUO_DATE, host=DUO_HOST, ikey="DIWJ8X6AEYOR5OMC6TQ1",
        key=DUO_KEY):
    """https://duo.com/docs/adminapi#authentication, and https://github.com/duosecurity/duo_client_python

    Version 2 without json_body, else version 5: the hash of the body, and the hash of no X-Duo- headers."""
    lines = [date, method, host, path, sorted_pairs(*pairs)]
    if json_body is not None:
        lines += [digest("sha512", json_body).hexdigest(), digest("sha512", "").hexdigest()]
    password = mac(algorithm, key, "\n".join(lines)).hexdigest()
    return password, {"Authorization": "Basic " + b64(f"{ikey}:{password}".encode())}


@example("duo", "POST of JSON of the tests of duo_api_golang")
def _():
    body = '{"txid":"f22b1678-252a-4070-b176-0ca2be7319fd"}'
    got = duo("sha512", "POST", DUO_LIST, [("realname", "First Last")], body)[1]
    assert got["Authorization"] == (
        "Basic RElXSjhYNkFFWU9SNU9NQzZUUTE6NzhmNDMyN2Y4MzExNzNjYzc4ZDA5MDdlOTEzZTNjNWEyOGZlNzJkZDQ1NDVhMzQyNT"
        "g2YmI2NzE4MWYyYmEzOTNkMjA5MTFlODcwMzYyZjZmYWJhM2RjNmY3ZTlkYjVlOTNhZWQyZjNiZmMxMTBjNmRhZGFmZjRkYzYxNz"
        "llMGI=")
    return got | {"Date": DUO_DATE, "Content-Type": "application/json"}


@example("duo", "a GET with a query, made with Python's hmac")
def _():
    return duo("sha512", "GET", "/admin/v1/users", [("limit", "10"), ("username", "a b")], "")[1]


@example("duo", "POST of a form of the tests of duo_api_golang")
def _():
    got = duo("sha512", "POST", DUO_LIST, [("realname", "First Last"), ("username", "root")])[1]
    assert got["Authorization"] == (
        "Basic RElXSjhYNkFFWU9SNU9NQzZUUTE6MWJmZmI4OTI0MzQ4ZjdkYjdkYTllN2Q3ZDc0OWRlZDkzYWFmZDAyZDhlOTA0OTYwZG"
        "E3Yjk2YzU3NTEwMjIwMTg1YTY0YTI4MjdlZThmMjRhYzVkMzA4MDJhOWVlOTdlNTlkZTQ0YjMwNGIxODI0MmYwZDU5NmQxNWE4MT"
        "IyYWY=")
    return got | {"Content-Type": "application/x-www-form-urlencoded"}


@example("duo", "names and values outside ASCII, of the tests of duo_client_python")
def _():
    pairs = [("\u469a\u287b\u35d0\u8ef3\u6727\u502a\u0810\ud091\xc8\uc170",
              "\u0f45\u1a76\u341a\u654c\uc23f\u9b09\uabe2\u8343\u1b27\u60d0"),
             ("\u7449\u7e4b\uccfb\u59ff\ufe5f\u83b7\uadcc\u900c\ucfd1\u7813",
              "\u8db7\u5022\u92d3\u42ef\u207d\u8730\uacfe\u5617\u0946\u4e30"),
             ("\u7470\u9314\u901c\u9eae\u40d8\u4201\u82d8\u8c70\u1d31\ua042",
              "\u17d9\u0ba8\u9358\uaadf\ua42a\u48be\ufb96\u6fe9\ub7ff\u32f3"),
             ("\uc2c5\u2c1d\u2620\u3617\u96b3F\u8605\u20e8\uac21\u5934",
              "\ufba9\u41aa\ubd83\u840b\u2615\u3e6e\u652d\ua8b5\ud56bU")]
    password, got = duo("sha512", "POST", "/Foo/BaR2/qux", pairs, None, "Fri, 07 Dec 2012 17:18:00 -0000",
                        "foo.bar52.com", "test_ikey", "gtdfxv9YgVBYcF6dl2Eq17KUQJN2PLM2ODVTkvoT")
    assert password == ("0508065035a03b2a1de2f453e629e791d180329e157f65df6b3e0f08299d4321"
                        "e1c5c7a7c7ee6b9e5fc80d1fb6fbf3ad5eb7c44dd3b3985a02c37aca53ec3698")
    return got


@example("duo", "POST of an older Duo documentation, with SHA-1")
def _():
    password, got = duo("sha1", "POST", DUO_LIST, [("realname", "First Last"), ("username", "root")])
    assert password == "2d97d6166319781b5a3a07af39d366f491234edc"
    return got


@example("duo", "a GET with SHA-1, made with Python's hmac")
def _():
    return duo("sha1", "GET", "/admin/v1/users", [("limit", "10"), ("username", "a b")])[1]


def ovh(method, path, body):
    """https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api"""
    text = "+".join(["s", "c", method, "https://eu.api.ovh.com" + path, body, "1767323045"])
    return {"X-Ovh-Signature": "$1$" + digest("sha1", text).hexdigest()}


@example("ovhcloud", "a GET, made with Python's hashlib")
def _():
    return ovh("GET", "/1.0/me", "")


@example("ovhcloud", "a PATCH, made with Python's hashlib")
def _():
    return ovh("PATCH", "/v2/iam/policy/1", '{"a":"b"}')


@example("ovhcloud", "a POST, made with Python's hashlib")
def _():
    return ovh("POST", "/1.0/domain/zone/example.com/refresh", '{"a":"b"}')


def logicmonitor(method, body, path):
    """https://www.logicmonitor.com/support/rest-api-authentication"""
    stamp = "1767323045678"
    signature = b64(mac("sha256", "an example key", method + stamp + body + path).hexdigest().encode())
    return {"Authorization": f"LMv1 exampleid:{signature}:{stamp}"}


@example("logicmonitor", "a GET, made with Python's hmac")
def _():
    return logicmonitor("GET", "", "/device/devices")


@example("logicmonitor", "a POST, made with Python's hmac")
def _():
    return logicmonitor("POST", '{"name":"router"}', "/device/devices")


def sumsub(method, path_query, body):
    """https://docs.sumsub.com/reference/authentication"""
    message = "1767323045" + method + path_query + body
    return {"X-App-Access-Sig": mac("sha256", "an example secret", message).hexdigest()}


@example("sumsub", "a GET, made with Python's hmac")
def _():
    return sumsub("GET", "/resources/applicants/1/one", "")


@example("sumsub", "a POST, made with Python's hmac")
def _():
    return sumsub("POST", "/resources/applicants?levelName=basic", '{"externalUserId":"1"}')


@example("podcast-index", "made with Python's hashlib")
def _():
    """https://podcastindex-org.github.io/docs-api/#auth"""
    return {"Authorization": digest("sha1", "EXAMPLEKEY" + "an example secret" + "1767323045").hexdigest()}


# --- Standards ---


def http_digest(algorithm, user, realm, password, nonce, count, cnonce, method, uri):
    """https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1"""
    user_hash = digest(algorithm, f"{user}:{realm}:{password}").hexdigest()
    request_hash = digest(algorithm, f"{method}:{uri}").hexdigest()
    return digest(algorithm, f"{user_hash}:{nonce}:{count}:{cnonce}:auth:{request_hash}").hexdigest()


def digest_rfc(algorithm, label):
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    opaque = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    response = http_digest(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life", nonce, "00000001", cnonce, "GET",
                           "/dir/index.html")
    return response, {"Authorization": (
        f'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={label}, '
        f'nonce="{nonce}", nc=00000001, cnonce="{cnonce}", qop=auth, response="{response}", opaque="{opaque}"')}


@example("http-digest", "RFC 7616, section 3.9.1, SHA-256")
def _():
    response, got = digest_rfc("sha256", "SHA-256")
    assert response == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    return got


@example("http-digest-md5", "RFC 7616, section 3.9.1, MD5")
def _():
    response, got = digest_rfc("md5", "MD5")
    assert response == "8ca523f5e9506fed4657c9700eebdbec"
    return got


def message_signature(key, lines, parameters):
    """https://www.rfc-editor.org/rfc/rfc9421#section-2.5"""
    base = "".join(f'"{name}": {value}\n' for name, value in lines) + f'"@signature-params": {parameters}'
    return b64(mac("sha256", base64.b64decode(key), base).digest())


RFC_9421_KEY = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
# The scheme covers other components than the RFC's example does, so this shows only that the arithmetic above is right.
assert message_signature(
    RFC_9421_KEY,
    [("date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("@authority", "example.com"), ("content-type", "application/json")],
    '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
) == "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="  # RFC 9421, appendix B.2.5


def rfc9421(method, target, body):
    content = "sha-256=:" + b64(digest("sha256", body).digest()) + ":"
    parameters = ('("@method" "@target-uri" "content-digest");created=1618884473;keyid="test-shared-secret"'
                  ';alg="hmac-sha256";nonce="000102030405060708090a0b0c0d0e0f"')
    signature = message_signature(
        RFC_9421_KEY, [("@method", method), ("@target-uri", target), ("content-digest", content)], parameters)
    return {"Content-Digest": content, "Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{signature}:"}


@example("rfc9421-hmac-sha256", "a POST like that of RFC 9421, appendix B.2, made with Python's hmac")
def _():
    return rfc9421("POST", "https://example.com/foo?param=Value&Pet=dog", '{"hello": "world"}')


@example("rfc9421-hmac-sha256", "a GET, made with Python's hmac")
def _():
    return rfc9421("GET", "https://example.com/foo", "")


def oauth1(method, url, consumer, consumer_secret, token, token_secret, stamp, nonce, pairs, version=True):
    """https://www.rfc-editor.org/rfc/rfc5849#section-3.4"""
    oauth = [("oauth_consumer_key", consumer), ("oauth_nonce", nonce), ("oauth_signature_method", "HMAC-SHA1"),
             ("oauth_timestamp", stamp)]
    if token:
        oauth.append(("oauth_token", token))
    if version:
        oauth.append(("oauth_version", "1.0"))
    base = "&".join(encode(part) for part in [method, url, sorted_pairs(*pairs, *oauth)])
    signature = b64(mac("sha1", encode(consumer_secret) + "&" + encode(token_secret), base).digest())
    oauth.insert(2, ("oauth_signature", signature))
    return signature, {"Authorization": "OAuth " + ", ".join(f'{n}="{encode(v)}"' for n, v in oauth)}


# The example of OAuth Core 1.0a, appendix A.5, is for plain http, which a config does not take.
assert oauth1("GET", "http://photos.example.net/photos", "dpf43f3p2l4k3l03", "kd94hf93k423kf44", "nnch734d00sl2jdk",
              "pfkkdhi9sl3r4s00", "1191242096", "kllo9940pd9333jh", [("file", "vacation.jpg"), ("size", "original")],
              )[0] == "tR3+Ty81lMeYAr/Fid0kMTYa/WM="

TWITTER = ("xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
           "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
           "1318622958", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg")


@example("oauth1-hmac-sha1", "a tweet of the Twitter documentation")
def _():
    signature, got = oauth1(
        "POST", "https://api.twitter.com/1.1/statuses/update.json", *TWITTER,
        [("include_entities", "true"), ("status", "Hello Ladies + Gentlemen, a signed OAuth request!")])
    assert signature == "hCtSmYh+iHYCEqBWrE7C7hYmtUk="
    return got


@example("oauth1-hmac-sha1", "a PATCH, made with Python's hmac")
def _():
    return oauth1("PATCH", "https://api.example.com/v1/items/1", *TWITTER, [("a", "b")])[1]


# RFC 5849 has the verifier and the callback in the header. The signature is the same wherever a parameter is.
@example("oauth1-hmac-sha1", "the token request of RFC 5849, section 1.2, whose verifier is in the query here")
def _():
    signature, got = oauth1(
        "POST", "https://photos.example.net/token", "dpf43f3p2l4k3l03", "kd94hf93k423kf44", "hh5s93j4hdidpola",
        "hdhd0244k9j7ao03", "137131201", "walatlh", [("oauth_verifier", "hfdp7dh39dks9884")], version=False)
    assert signature == "gKgrFCywp7rO0OXSjdot/IHF7IU="
    return got


@example("oauth1-two-legged", "the first request of RFC 5849, section 1.2, whose callback is in the query here")
def _():
    signature, got = oauth1(
        "POST", "https://photos.example.net/initiate", "dpf43f3p2l4k3l03", "kd94hf93k423kf44", "", "", "137131200",
        "wIjqoS", [("oauth_callback", "http://printer.example.com/ready")], version=False)
    assert signature == "74KNZJeDHnMBp0EMJ9ZHt/XKycU="
    return got


@example("oauth1-two-legged", "a POST of a form with oauth_version, made with Python's hmac")
def _():
    return oauth1("POST", "https://api.example.com/v1/items", "consumer", "an example secret", "", "", "1767323045",
                  "000102030405060708090a0b0c0d0e0f", [("a", "b"), ("name", "a b")])[1]


def jwt(key, header, claims):
    """https://www.rfc-editor.org/rfc/rfc7515#section-5.1"""
    text = b64url(header.encode()) + "." + b64url(claims.encode())
    return text + "." + b64url(mac("sha256", key, text).digest())


# The token that jwt.io showed for years.
assert jwt("your-256-bit-secret", '{"alg":"HS256","typ":"JWT"}', '{"sub":"1234567890","name":"John Doe","iat":1516239022}'
           ).endswith(".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")


@example("jwt-hs256", "made with Python's hmac")
def _():
    claims = json.dumps({"iss": "example-issuer", "aud": "https://api.example.com", "sub": 'the "1234567890"', "iat": 1767323045,
                         "exp": 1767323105, "jti": "7a0c8c2e-1f6e-4f0a-9a53-0c1d2e3f4a5b"}, separators=(",", ":"))
    return {"Authorization": "Bearer " + jwt("your-256-bit-secret", '{"alg":"HS256","typ":"JWT"}', claims)}


def hawk(method, content):
    """https://github.com/mozilla/hawk/blob/main/API.md"""
    lines = ["hawk.1.header", "1353832234", "j4h3g2", method, "/resource/1?b=1&a=2", "example.com", "8000", content,
             "some-app-ext-data", ""]
    signature = b64(mac("sha256", "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn", "\n".join(lines)).digest())
    content = f'hash="{content}", ' if content else ""
    return signature, {"Authorization": f'Hawk id="dh37fgj492je", ts="1353832234", nonce="j4h3g2", {content}'
                                        f'ext="some-app-ext-data", mac="{signature}"'}


@example("hawk", "the GET of Hawk's documentation")
def _():
    signature, got = hawk("GET", "")
    assert signature == "6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE="
    return got


@example("hawk", "the POST of Hawk's documentation")
def _():
    content = b64(digest("sha256", "hawk.1.payload\ntext/plain\nThank you for flying Hawk\n").digest())
    assert content == "Yi9LfIIFRtBEPt74PVmbTF/xVAwPn7ub15ePICfgnuY="
    signature, got = hawk("POST", content)
    assert signature == "aSe1DERmZuRl3pI36/9BdZmnErTw3sNzOOAUlfeKjVw="
    return got


def hawk_client(media_type, body, ext):
    """https://github.com/mozilla/hawk/blob/main/test/client.js; the library writes the media type in lower case."""
    content = b64(digest("sha256", f"hawk.1.payload\n{media_type}\n{body}\n").digest())
    lines = ["hawk.1.header", "1353809207", "Ygvqdz", "POST", "/somewhere/over/the/rainbow", "example.net", "443",
             content, ext, ""]
    signature = b64(mac("sha256", "2983d45yun89q", "\n".join(lines)).digest())
    attribute = f'ext="{ext}", ' if ext else ""
    return signature, {"Authorization": f'Hawk id="123456", ts="1353809207", nonce="Ygvqdz", hash="{content}", '
                                        f'{attribute}mac="{signature}"'}


assert hawk_client("text/plain", "something to write about", "Bazinga!"
                   )[0] == "q1CwFoSHzPZSkbIvl0oYlD+91rBUEvFk763nMjMndj8="


@example("hawk", "no ext, of the tests of Hawk's library")
def _():
    signature, got = hawk_client("text/plain", "something to write about", "")
    assert signature == "HTgtd0jPI6E4izx8e4OHdO36q00xFCU0FolNq3RiCYs="
    return got


@example("hawk", "an empty body with a type in capitals, of the tests of Hawk's library except for the capitals")
def _():
    signature, got = hawk_client("text/plain", "", "")
    assert signature == "U5k16YEzn3UnBHKeBzsDXn067Gu3R4YaY6xOt9PYRZM="
    return got | {"Content-Type": "Text/PLAIN"}


@example("hawk", "a body without a type, and ext with spaces and a comma, made with Python's hmac")
def _():
    return hawk_client("", "something to write about", "this is some app data, with a comma")[1]


# --- Webhooks ---


@example("stripe-webhook", "made with Python's hmac")
def _():
    """https://docs.stripe.com/webhooks#verify-manually"""
    body = '{"id":"evt_1","object":"event"}'
    signature = mac("sha256", "whsec_example", "1767323045." + body).hexdigest()
    return {"Stripe-Signature": f"t=1767323045,v1={signature}"}


@example("github-webhook", "Hello, World! of the GitHub documentation")
def _():
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    signature = mac("sha256", "It's a Secret to Everybody", "Hello, World!").hexdigest()
    assert signature == "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    return {"X-Hub-Signature-256": "sha256=" + signature}


@example("onfido-webhook", "the event of the tests of Onfido's own Python library")
def _():
    """https://documentation.onfido.com/api/manual-webhook-signature-verification"""
    body = ('{"payload":{"resource_type":"check","action":"check.completed",'
            '"object":{"id":"f2302f45-227d-413d-ad61-09ec077a086a","status":"complete",'
            '"completed_at_iso8601":"2024-04-04T09:21:21Z",'
            '"href":"https://api.onfido.com/v3.6/checks/f2302f45-227d-413d-ad61-09ec077a086a"}}}')
    signature = mac("sha256", "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh", body).hexdigest()
    assert signature == "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7"
    return {"X-SHA2-Signature": signature}


@example("slack-webhook", "the slash command of the Slack documentation")
def _():
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    body = ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
            "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
            "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
            "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
    signature = mac("sha256", "8f742231b10e8888abcd99yyyzzz85a5", "v0:1531420618:" + body).hexdigest()
    assert signature == "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    return {"X-Slack-Signature": "v0=" + signature}


@example("standard-webhooks", "the message of the tests of the Standard Webhooks libraries")
def _():
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    message = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    signature = b64(mac("sha256", base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), message).digest())
    assert signature == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    return {"webhook-signature": "v1," + signature}


@example("standard-webhooks", "an empty body, and a secret whose padding was left out, made with Python's hmac")
def _():
    """The library for Python pads a secret: https://github.com/standard-webhooks/standard-webhooks"""
    key = base64.b64decode("YSBzZWNyZXQgb2YgMjQgYnl0ZXMrMQ" + "==")
    return {"webhook-signature": "v1," + b64(mac("sha256", key, "msg_1.1614265330.").digest())}


@example("shopify-webhook", "made with Python's hmac")
def _():
    """https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""
    return {"X-Shopify-Hmac-SHA256": b64(mac("sha256", "an example secret", '{"id":1}').digest())}


@example("zoom-webhook", "made with Python's hmac")
def _():
    """https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events"""
    body = '{"event":"meeting.started"}'
    return {"x-zm-signature": "v0=" + mac("sha256", "an example token", "v0:1767323045:" + body).hexdigest()}


@example("twilio-webhook-json", "the JSON request of the tests of Twilio's own libraries")
def _():
    """https://www.twilio.com/docs/usage/security"""
    url = ("https://mycompany.com/myapp.php?foo=1&bar=2"
           "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620")
    signature = b64(mac("sha1", "12345", url).digest())
    assert signature == "a9nBmqA0ju/hNViExpshrM61xv4="
    return {"X-Twilio-Signature": signature}


# --- Security tools ---


@example("cortex-xdr", "made with Python's hashlib")
def _():
    """https://docs-cortex.paloaltonetworks.com/r/Cortex-XSIAM-Platform-APIs/Make-your-first-API-call"""
    salt = digest("sha256", "0123456789abcdef0123456789abcdef").hexdigest()
    return {"x-xdr-nonce": salt, "Authorization": digest("sha256", "an example key" + salt + "1767323045678").hexdigest()}


@example("mimecast-v1", "with the time and the request id of the Mimecast documentation, made with openssl")
def _():
    """https://integrations.mimecast.com/documentation/api-overview/authorization/"""
    to_sign = ":".join(["Tue, 24 Nov 2015 12:50:11 UTC", "8578FCFC-A305-4D9A-99CB-F4D5ECEFE297",
                        "/api/account/get-account", "an application key"])
    key = base64.b64decode("YW4gZXhhbXBsZSBzZWNyZXQ=")
    return {"Authorization": "MC EXAMPLEKEY:" + b64(mac("sha1", key, to_sign).digest())}


@example("threatconnect", "a GET with a query, made with openssl")
def _():
    """https://github.com/ThreatConnect-Inc/tcex-requests-tc"""
    to_sign = "/api/v3/indicators?resultLimit=10&fields=tags:GET:1767323045"
    return {"Authorization": "TC 12345678901234567890:" + b64(mac("sha256", "an example secret", to_sign).digest())}


def darktrace(target):
    """https://github.com/LegendEvent/darktrace-sdk"""
    to_sign = f"{target}\n00112233\n2026-01-02 03:04:05"
    return {"DTAPI-Signature": mac("sha1", "an example token", to_sign).hexdigest()}


@example("darktrace", "a query, made with openssl")
def _():
    return darktrace("/modelbreaches?minscore=0.5")


@example("darktrace", "a body in JSON, made with openssl")
def _():
    return darktrace('/aianalyst/incident/comments?{"incident_id":"1","message":"100% seen"}')


@example("darktrace", "a form, made with openssl")
def _():
    return darktrace("/aianalyst/acknowledge?uuid=0123-4567")


def bloodhound(call, body=""):
    """https://github.com/SpecterOps/bloodhound-docs"""
    key = b"an example key"
    for part in call, "2026-01-02T03", body:
        key = mac("sha256", key, part).digest()
    return {"Signature": b64(key)}


@example("bloodhound", "a GET with a query, made with Python's hmac")
def _():
    return bloodhound("GET/api/v2/available-domains?sort_by=name")


@example("bloodhound", "a POST, made with Python's hmac")
def _():
    return bloodhound("POST/api/v2/graphs/cypher", '{"query":"MATCH (n) RETURN n"}')


def apex_central(method, target, body=""):
    """https://automation.trendmicro.com/apex-central/Guides/Authentication"""
    checksum = b64(digest("sha256", "|".join([method, target.lower(), "", body])).digest())
    claims = json.dumps({"appid": "01234567-89AB", "iat": 1767323045, "version": "V1", "checksum": checksum},
                        separators=(",", ":"))
    return {"Authorization": "Bearer " + jwt("an example key", '{"alg":"HS256","typ":"JWT"}', claims)}


@example("apex-central", "a GET with a query, made with Python's hmac")
def _():
    return apex_central("GET", "/WebApp/API/AgentResource/ProductAgents?host_name=PC1")


@example("apex-central", "a PUT, made with Python's hmac")
def _():
    return apex_central("PUT", "/WebApp/api/SuspiciousObjects/UserDefinedSO", '{"param":{"Type":"ip"}}')


@example("devo", "a query, made with openssl")
def _():
    """https://github.com/DevoInc/python-sdk"""
    to_sign = 'EXAMPLEKEY{"query":"from demo.ecommerce.data select *","from":"1h"}1767323045678'
    return {"x-logtrust-sign": mac("sha256", "an example secret", to_sign).hexdigest()}


@example("devo", "a call without a body, made with openssl")
def _():
    return {"x-logtrust-sign": mac("sha256", "an example secret", "EXAMPLEKEY1767323045000").hexdigest()}


@example("cyware", "made with openssl")
def _():
    """https://ctixapiv3.cyware.com/authentication"""
    to_sign = "01234567-89ab-cdef-0123-456789abcdef\n1767323065"
    return {"Signature": b64(mac("sha1", "an example secret", to_sign).digest())}


# --- More clouds ---


@example("azure-log-analytics", "the string to sign of the Microsoft documentation, made with openssl")
def _():
    """https://learn.microsoft.com/azure/azure-monitor/logs/data-collector-api"""
    to_sign = "POST\n1024\napplication/json\nx-ms-date:Mon, 04 Apr 2016 08:00:00 GMT\n/api/logs"
    signature = b64(mac("sha256", base64.b64decode("YW4gZXhhbXBsZSBrZXk="), to_sign).digest())
    return {"Authorization": "SharedKey 01234567-89ab-cdef-0123-456789abcdef:" + signature}


@example("azure-service-bus-sas", "a queue, made with openssl")
def _():
    """https://learn.microsoft.com/rest/api/eventhub/generate-sas-token"""
    resource = encode("https://example.servicebus.windows.net/queue1")
    signature = encode(b64(mac("sha256", "YW4gZXhhbXBsZSBrZXk=", resource + "\n1767323345").digest()))
    return {"Authorization": f"SharedAccessSignature sr={resource}&sig={signature}&se=1767323345&skn=send-only"}


def cosmos_db(key, *lines):
    """https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources"""
    signature = b64(mac("sha256", base64.b64decode(key), "".join(line + "\n" for line in lines) + "\n").digest())
    return {"Authorization": encode("type=master&ver=1.0&sig=" + signature)}


@example("cosmos-db", "a database, of the Microsoft documentation")
def _():
    got = cosmos_db("dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==",
                    "get", "dbs", "dbs/ToDoList", "thu, 27 apr 2017 00:51:12 gmt")
    published = "type%3dmaster%26ver%3d1.0%26sig%3dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2bc%2bc%3d"
    assert urllib.parse.unquote(got["Authorization"]) == urllib.parse.unquote(published)
    return got


@example("cosmos-db", "a new document, made with Python's hmac")
def _():
    return cosmos_db("YW4gZXhhbXBsZSBrZXk=", "post", "docs", "dbs/shop/colls/orders", "fri, 02 jan 2026 03:04:05 gmt")


@example("cosmos-db", "a document, made with Python's hmac")
def _():
    return cosmos_db("YW4gZXhhbXBsZSBrZXk=", "delete", "docs", "dbs/shop/colls/orders/docs/A-1",
                     "fri, 02 jan 2026 03:04:05 gmt")


@example("dns-made-easy", "the request of the DNS Made Easy documentation")
def _():
    """https://api-docs.dnsmadeeasy.com/"""
    signature = mac("sha1", "c9b5625f-9834-4ff8-baba-4ed5f32cae55", "Sat, 12 Feb 2011 20:59:04 GMT").hexdigest()
    assert signature == "b3502e6116a324f3cf4a8ed693d78bcee8d8fe3c"
    return {"x-dnsme-hmac": signature}


def volcengine(secret, instant, method, query, headers, body=""):
    """https://www.volcengine.com/docs/6369/67270"""
    content = digest("sha256", body).hexdigest()
    headers = {"host": "iam.volcengineapi.com", "x-content-sha256": content, "x-date": instant} | headers
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    signed = ";".join(sorted(headers))
    request = "\n".join([method, "/", sorted_pairs(*query), lines, signed, content])
    scope = instant[:8] + "/cn-north-1/iam/request"
    key = secret.encode()
    for part in scope.split("/"):
        key = mac("sha256", key, part).digest()
    to_sign = "\n".join(["HMAC-SHA256", instant, scope, digest("sha256", request).hexdigest()])
    signature = mac("sha256", key, to_sign).hexdigest()
    return {"Authorization": f"HMAC-SHA256 Credential=AKLTexample/{scope}, SignedHeaders={signed}, Signature={signature}"}


@example("volcengine", "ListUsers of the Volcengine documentation, with another access key id, which is not signed")
def _():
    got = volcengine("TnpCak5XWXpZV1U0WkRaaE5ERmxaR0ZpTmpjeVkyUXlZek0wTWpJMU1qWQ==", "20201230T081805Z", "GET",
                     [("Action", "ListUsers"), ("Version", "2018-01-01"), ("Offset", "0"), ("Limit", "10")],
                     {"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert got["Authorization"].endswith("=28eeabbbd726b87002e0fe58ad8c1c768e619b06e2646f35b6ad7ed029a6d8a7")
    return got


@example("volcengine", "a POST with a session token, made with Python's hmac")
def _():
    return volcengine("an example key", "20260102T030405Z", "POST",
                      [("Action", "CreateUser"), ("Version", "2018-01-01"), ("Note", "a b")],
                      {"content-type": "application/json", "x-security-token": "STSexample"}, '{"UserName":"bob"}')


def baidu_bce(key_id, secret, instant, expiration, method, path, query, headers):
    """https://cloud.baidu.com/doc/Reference/s/njwvz1yfu"""
    prefix = f"bce-auth-v1/{key_id}/{instant}/{expiration}"
    key = mac("sha256", secret, prefix).hexdigest()
    headers = headers | {"x-bce-date": instant}
    lines = "\n".join(f"{name}:{encode(value)}" for name, value in sorted(headers.items()))
    query = "&".join(sorted(f"{encode(name)}={encode(value)}" for name, value in query.items()))
    signature = mac("sha256", key, "\n".join([method, path, query, lines])).hexdigest()
    return {"Authorization": "/".join([prefix, ";".join(sorted(headers)), signature])}


@example("baidu-bce", "an upload, of Baidu's sample code")
def _():
    got = baidu_bce("0b0f67dfb88244b289b72b142befad0c", "bad522c2126a4618a8125f4b6cf6356f", "2015-04-27T08:23:49Z", 1800,
                    "PUT", "/v1/test/myfolder/readme.txt",
                    {"partNumber": "9", "uploadId": "VXBsb2FkIElpZS5tMnRzIHVwbG9hZA"},
                    {"host": "bj.bcebos.com", "content-length": "8", "content-type": "text/plain",
                     "content-md5": "0a52730597fb4ffa01fc117d9e71e3a9"})
    assert got["Authorization"].endswith("/a19e6386e990691aca1114a20357c83713f1cb4be3d74942bb4ed37469ecdacf")
    return got


@example("baidu-bce", "a GET with a port and a parameter without a value, made with Python's hmac")
def _():
    return baidu_bce("EXAMPLEKEY", "an example key", "2026-01-02T03:04:05Z", 300, "GET", "/box/a%20b.txt",
                     {"versionId": "1/2", "acl": ""}, {"host": "localhost:8443"})


# --- Payments and business ---


def cybersource(lines, names):
    """https://github.com/CyberSource/cybersource-rest-client-python"""
    to_sign = "\n".join(f"{name}: {value}" for name, value in zip(names.split(), lines))
    signature = b64(mac("sha256", base64.b64decode("YW4gZXhhbXBsZSBrZXk="), to_sign).digest())
    return {"Signature": 'keyid="08c94330-f618-42a3-b09d-e1e43be5efda", algorithm="HmacSHA256", '
                         f'headers="{names}", signature="{signature}"'}


@example("cybersource", "a GET, made with openssl")
def _():
    return cybersource(["apitest.cybersource.com", "Fri, 02 Jan 2026 03:04:05 GMT",
                        "get /pts/v2/payments/5246387105766473203529", "testrest"],
                       "host date request-target v-c-merchant-id")


@example("cybersource", "a POST, made with openssl")
def _():
    content = "SHA-256=" + b64(digest("sha256", '{"clientReferenceInformation":{"code":"1"}}').digest())
    return {"Digest": content} | cybersource(
        ["apitest.cybersource.com", "Fri, 02 Jan 2026 03:04:05 GMT", "post /pts/v2/payments", content, "testrest"],
        "host date request-target digest v-c-merchant-id")


def worldline(key_id, secret, *lines):
    """https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/manual-authentication"""
    signature = b64(mac("sha256", secret, "".join(line + "\n" for line in lines)).digest())
    return {"Authorization": f"GCS v1HMAC:{key_id}:{signature}"}


@example("worldline", "the minimal example of the tests of Worldline's own Python SDK")
def _():
    got = worldline("EC36A74A98D21", "6Kj5HT0MQKC6D8eb7W3lTg71kVKVDSt1", "GET", "", "Fri, 06 Jun 2014 13:39:43 GMT",
                    "/v2/1/tokens/2")
    assert got["Authorization"] == "GCS v1HMAC:EC36A74A98D21:vCos01y77soPNJOW6kDCm4Bu5b2darAZ09PP7Wa+jRA="
    return got


@example("worldline", "the GET of the tests of Worldline Connect's own Python SDK")
def _():
    got = worldline("apiKeyId", "6Kj5HT0MQKC6D8eb7W3lTg71kVKVDSt1", "GET", "", "Fri, 06 Jun 2014 13:39:43 GMT",
                    "/v1/9991/tokens/123456789")
    assert got["Authorization"].endswith(":9ond5EIN05dBXJGCLRK5om9pxHsyrh/12pZJ7bvmwNM=")
    return got


@example("worldline", "a POST, made with openssl")
def _():
    return worldline("EC36A74A98D21", "an example key", "POST", "application/json; charset=utf-8",
                     "Fri, 02 Jan 2026 03:04:05 GMT", "/v2/example/payments?a=b")


def rapyd(call, body=""):
    """https://docs.rapyd.net/en/request-signatures.html"""
    to_sign = call + "1767323045678912" + "1767323045" + "EXAMPLEKEY" + "an example secret" + body
    return {"signature": b64(mac("sha256", "an example secret", to_sign).hexdigest().encode())}


@example("rapyd", "a GET, made with openssl")
def _():
    return rapyd("get/v1/payment_methods/country?country=US")


@example("rapyd", "a POST, made with openssl")
def _():
    return rapyd("post/v1/payments", '{"amount":"1.5","currency":"USD"}')


def netsuite(method, url, *pairs):
    """https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1534941088.html"""
    key = "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4"
    token = "2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc"
    secrets = ("d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5&"
               "c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295")
    oauth = {"oauth_consumer_key": key, "oauth_nonce": "fjaLirsIcCGVZWzBX0pg", "oauth_signature_method": "HMAC-SHA256",
             "oauth_timestamp": "1508242306", "oauth_token": token, "oauth_version": "1.0"}
    base = "&".join([method, encode(url), encode(sorted_pairs(*pairs, *oauth.items()))])
    oauth["oauth_signature"] = encode(b64(mac("sha256", secrets, base).digest()))
    attributes = ", ".join(f'{name}="{value}"' for name, value in sorted(oauth.items()))
    return {"Authorization": 'OAuth realm="123456", ' + attributes}


@example("netsuite-tba", "the REST web services example of the Oracle documentation, made with openssl")
def _():
    return netsuite("GET", "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40")


@example("netsuite-tba", "the RESTlet example of the Oracle documentation, made with openssl")
def _():
    got = netsuite("POST", "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl", ("script", "6"),
                   ("deploy", "1"), ("customParam", "someValue"), ("testParam", "someOtherValue"))
    assert 'oauth_signature="%2BKK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ%3D"' in got["Authorization"]
    return got


def woocommerce(method, url, *pairs):
    """https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-rest-authentication.php"""
    oauth = {"oauth_consumer_key": "ck_example", "oauth_nonce": "0123456789abcdef0123456789abcdef",
             "oauth_signature_method": "HMAC-SHA256", "oauth_timestamp": "1767323045"}
    base = "&".join([method, encode(url), encode(sorted_pairs(*pairs, *oauth.items()))])
    return {"oauth_signature": b64(mac("sha256", "cs_example&", base).digest())}


@example("woocommerce", "a GET with a query, made with openssl")
def _():
    return woocommerce("GET", "https://shop.example.com/blog/wp-json/wc/v3/orders", ("status", "completed"),
                       ("search", "a b"))


@example("woocommerce", "a POST, made with openssl")
def _():
    return woocommerce("POST", "https://shop.example.com/wp-json/wc/v3/products")


def htx(method, path, key, instant, *pairs):
    """https://huobiapi.github.io/docs/spot/v1/en/"""
    query = sorted_pairs(("AccessKeyId", key), ("SignatureMethod", "HmacSHA256"), ("SignatureVersion", "2"),
                         ("Timestamp", instant), *pairs)
    to_sign = "\n".join([method, "api.huobi.pro", path, query])
    return {"Signature": b64(mac("sha256", "an example secret", to_sign).digest())}


@example("htx", "a query, made with openssl")
def _():
    return htx("GET", "/v1/order/orders", "e2xxxxxx-99xxxxxx-84xxxxxx-7xxxx", "2017-05-11T15:19:30",
               ("order-id", "1234567890"))


@example("htx", "an order, made with openssl")
def _():
    return htx("POST", "/v1/order/orders/place", "EXAMPLEKEY", "2026-01-02T03:04:05")


def main():
    values = {scheme: {name: function() for name, function in examples.items()} for scheme, examples in EXAMPLES.items()}
    if sys.argv[1:] == ["--json"]:
        json.dump(values, sys.stdout, indent=2)
        return 0
    wrong = 0
    for scheme, examples in values.items():
        text = (pathlib.Path(__file__).parent / f"{scheme}.yml").read_text()
        for name, wants in examples.items():
            for header, value in wants.items():
                if name not in text or value not in text:
                    print(f"{scheme}: {name}: {header} should be {value}")
                    wrong += 1
    print(f"{len(values)} schemes, {sum(map(len, values.values()))} examples, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
