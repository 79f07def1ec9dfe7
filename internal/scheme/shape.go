package scheme

// shape declares a part of a document: what the parser takes there, and what an editor tells its user. The JSON Schema
// in schemes/ is made of it. A part without anything but a help is a text.
type shape struct {
	help string
	// keys are those of a mapping.
	keys []key
	// each is what a mapping has for names of the author's choice, beside its keys, and names is the pattern of those.
	each  *shape
	names string
	// oneRequired are keys of which a mapping has at least one.
	oneRequired []string
	// items are those of a list.
	items *shape
	// oneOf are the texts that it can be.
	oneOf []string
	// either are the forms that it can have.
	either []shape
	// least and most bound how many entries a mapping or a list has; 0 is no bound.
	least, most int
}

// key is a key of a mapping.
type key struct {
	name     string
	required bool
	shape
}

// keyNames are the keys of a mapping.
func (s shape) keyNames() []string { return names(s.keys, func(k key) string { return k.name }) }

var (
	flagTexts = []string{"true", "false"}
	encodings = []string{string(encodingText), string(encodingBase64), string(encodingHex)}

	expressionShape = shape{help: "An expression, as a string: in single quotes, or on a line of its own after >-."}

	patternKey  = textKey("pattern", "A regular expression (RE2) that matches the whole value.")
	optionalKey = flagKey("optional", "true: it can be left out, and counts as empty.")

	secretShape = shape{
		help: "A secret of 1 to 4096 bytes, or a private key.",
		keys: []key{
			{name: "encoding", shape: shape{
				help:  "How the secret is written in the config; text by default.",
				oneOf: encodings,
			}},
			{name: "key", shape: shape{
				help:  "The kind of a private key, in PEM.",
				oneOf: names(keyKinds, func(k keyKind) string { return string(k) }),
			}},
		},
	}

	fieldShape = shape{
		help: "A public value of the config, which a read of it shows.",
		keys: []key{
			patternKey,
			optionalKey,
			textKey("default", "The value if a config gives none."),
			textKey("max", "Largest size in bytes: 512 by default, at most 4096."),
			flagKey("address", "true: it is an address of an API, with the rules of base_url."),
		},
	}

	requestKeys = []key{
		patternKey,
		optionalKey,
		textKey("max", "Largest size in bytes: 2048 by default, at most 65536."),
	}
	requestShape       = shape{help: "A value that the caller gives.", keys: requestKeys}
	requestStringShape = shape{
		help: "Path and query of the call, by which a policy can restrict it. It cannot be optional.",
		keys: append(
			[]key{flagKey("commas", "true: it can contain commas, by which a policy cannot restrict.")}, requestKeys...),
	}

	pointerKey = textKey("pointer", "Where the answer has it: a JSON pointer (RFC 6901), such as /data/token.")

	answerShape = shape{
		help: "What the login gives, and where the answer has it: one of pointer, header, cookie and body.",
		keys: []key{
			pointerKey,
			textKey("header", "A header of the answer."),
			textKey("cookie", "A cookie of the answer; the last one of that name counts."),
			{name: "body", shape: shape{help: "true: the whole body, trimmed.", oneOf: flagTexts}},
			textKey("max", "Largest size in bytes: 8192 by default, at most 16384."),
		},
	}
	expectShape = shape{
		help: "An address in the answer that must have the host of another one.",
		keys: []key{
			required(pointerKey),
			required(textKey("is", "base_url, or a field that is an address.")),
		},
	}
	refusedShape = shape{
		help: "An answer of 2xx that is a refusal: one of is and is_not.",
		keys: []key{
			required(pointerKey),
			textKey("is", "The value of a refusal."),
			textKey("is_not", "The value of an answer that is no refusal."),
		},
	}
	lifeShape = shape{
		help: "Where the answer tells how long what it gives is good for.",
		keys: []key{
			pointerKey,
			textKey("as", "seconds (default), minutes, ms, unix, unix_ms, rfc3339, or a layout of now.format, in UTC."),
			textKey("jwt", "A name of answer, which is a JWT with an exp; in place of pointer."),
		},
	}
	loginShape = shape{
		help: "A request that gets a token or another value, and what its answer gives.",
		keys: []key{
			textKey("address", "base_url (default), or a field that is an address."),
			{name: "method", shape: shape{help: "POST (default) or GET.", oneOf: []string{"POST", "GET"}}},
			{name: "path", required: true, shape: shape{help: "An expression of literals and fields."}},
			expressionsKey("query", "Query parameters.", queryPattern.String(), maxHeaders),
			expressionsKey("headers", "Headers; Accept is application/json by default.", headerPattern.String(), maxHeaders),
			expressionsKey("form", "Parameters of a form, in this order.", queryPattern.String(), maxHeaders),
			expressionsKey("json", "Members of a JSON object, which are strings.", "", maxHeaders),
			{name: "body", shape: expressionShape},
			{name: "content_type", shape: shape{help: "The media type of body, as an expression."}},
			{name: "answer", required: true, shape: shape{
				help:  "Names for what the answer has.",
				each:  &answerShape,
				names: namePattern.String(),
				least: 1,
			}},
			{name: "expect", shape: shape{
				help:  "Addresses in the answer that must be those of the config.",
				each:  &expectShape,
				names: namePattern.String(),
				most:  maxExpected,
			}},
			{name: "refused", shape: refusedShape},
			{name: "life", shape: shape{
				help:   "Where the answer tells how long what it gives is good for; the first that is there counts.",
				either: []shape{lifeShape, {help: "A list of such.", items: &lifeShape, most: maxLives}},
			}},
			required(textKey("ttl", "How long what the login gives is good for if the answer does not tell.")),
			textKey("max", "The longest life that is believed: 24h by default, at most 768h."),
			flagKey("exclusive", "true: a login ends what the one before it gave."),
		},
	}
	exampleWantShape = shape{
		help: "What the login must send, as text.",
		keys: []key{
			textKey("path", "The path."),
			textKey("query", "The query parameters, encoded."),
			{name: "headers", shape: shape{help: "The declared headers.", each: &shape{}}},
			textKey("form", "The form, encoded."),
			textKey("json", "The JSON."),
			textKey("body", "The body."),
		},
	}
	exampleAnswerShape = shape{
		help: "An answer with headers.",
		keys: []key{
			{name: "headers", shape: shape{help: "Headers of the answer.", each: &shape{}}},
			textKey("body", "The body of the answer."),
		},
	}
	exampleLoginShape = shape{
		help: "The login of the example.",
		keys: []key{
			{name: "want", shape: exampleWantShape},
			{name: "answer", shape: shape{
				help:   "The answer: its body, or headers and body.",
				either: []shape{{}, exampleAnswerShape},
			}},
			textsKey("gives", "What the login gives, by name."),
			textKey("life", "How long it is good for, in seconds."),
		},
	}

	exampleShape = shape{
		help: "A call with made-up values, and what it must give.",
		keys: []key{
			textKey("name", "What the example is, and where its values are from."),
			textsKey("secrets", "Made-up or published secrets. A read of the config shows them."),
			textsKey("fields", "The config's fields."),
			textsKey("request", "What the caller gives."),
			textKey("base_url", "Address of the API. Required if the scheme uses it."),
			textKey("now", "The time, RFC 3339. Required if the scheme uses it."),
			textKey("uuid", "Required if the scheme uses it; at most 64 bytes."),
			textKey("nonce", "Required if the scheme uses it; at most 64 bytes."),
			{name: "login", shape: exampleLoginShape},
			{name: "want", required: true, shape: shape{
				help: "Headers, query parameters and values that the call must have, and its body; an empty one is left out.",
				each: &shape{},
			}},
		},
	}

	bodyShape = shape{
		help: "What the call carries, with its Content-Type: a form, or a text.",
		keys: []key{
			expressionsKey("form", "Parameters, percent-encoded in this order.", queryPattern.String(), maxHeaders),
			{name: "text", shape: expressionShape},
			{name: "content_type", shape: expressionShape},
		},
	}

	documentShape = shape{
		help:        "How an API signs its calls: a scheme of vault-plugin-apisig.",
		oneRequired: []string{"ttl", "login"},
		keys: []key{
			{name: "secrets", required: true, shape: shape{
				help:  "The secrets of the config.",
				each:  &secretShape,
				names: namePattern.String(),
				least: 1,
			}},
			{name: "fields", shape: shape{
				help:  "Public values of the config.",
				each:  &fieldShape,
				names: namePattern.String(),
			}},
			{name: "request", shape: shape{
				help:  "What the caller of sign/custom gives. Without it the config serves creds/custom.",
				keys:  []key{{name: requestString, shape: requestStringShape}},
				each:  &requestShape,
				names: namePattern.String(),
			}},
			{name: "login", shape: loginShape},
			expressionsKey("let", "Names for expressions, in any order.", namePattern.String(), 0),
			expressionsKey("require", "Conditions, by the message that a caller gets if one does not hold.", "", maxRequire),
			expressionsKey("headers", "Headers of the signed call.", headerPattern.String(), maxHeaders),
			expressionsKey("query", "Query parameters that are appended to url.", queryPattern.String(), maxHeaders),
			expressionsKey("values", "Values of the answer that are not sent with the call.", namePattern.String(), maxHeaders),
			{name: "body", shape: bodyShape},
			textKey("ttl", "How long a result is good for: 1s to 24h, or a number of seconds. Required, unless there is a "+
				"login and no output has a digest or a time in it."),
			textKey("base_url", "Default of the config's base_url, where the API has one address for everyone."),
			flagKey("allow_static", "true: a signature can stay the same."),
			flagKey("allow_extension", "true: the hash of a secret can be extended by callers."),
			flagKey("allow_shared_key", "true: a key of the login can sign what callers choose too."),
			flagKey("growing", "true: now never gives the same text twice on a node."),
			{name: "examples", required: true, shape: shape{
				help:  "Calls that the engine signs and compares, at every write.",
				items: &exampleShape,
				least: 1,
				most:  maxExamples,
			}},
		},
	}
)

// textKey is a key with a text.
func textKey(name, help string) key { return key{name: name, shape: shape{help: help}} }

// required is a key that must be there.
func required(k key) key {
	k.required = true
	return k
}

// flagKey is a key with true or false.
func flagKey(name, help string) key {
	return key{name: name, shape: shape{help: help, oneOf: flagTexts}}
}

// textsKey is a key with a text for each of some declared names.
func textsKey(name, help string) key {
	return key{name: name, shape: shape{help: help, each: &shape{}, names: namePattern.String()}}
}

// expressionsKey is a key with expressions by names.
func expressionsKey(name, help, pattern string, most int) key {
	return key{name: name, shape: shape{help: help, each: &expressionShape, names: pattern, most: most}}
}
