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
	// items are those of a list.
	items *shape
	// oneOf are the texts that it can be.
	oneOf []string
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
		help: "How an API signs its calls: a scheme of vault-plugin-apisig.",
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
			expressionsKey("let", "Names for expressions, in any order.", namePattern.String(), 0),
			expressionsKey("require", "Conditions, by the message that a caller gets if one does not hold.", "", maxRequire),
			expressionsKey("headers", "Headers of the signed call.", headerPattern.String(), maxHeaders),
			expressionsKey("query", "Query parameters that are appended to url.", queryPattern.String(), maxHeaders),
			expressionsKey("values", "Values of the answer that are not sent with the call.", namePattern.String(), maxHeaders),
			{name: "body", shape: bodyShape},
			{name: "ttl", required: true, shape: shape{
				help: "How long a result is good for: 1s to 24h, or a number of seconds.",
			}},
			textKey("base_url", "Default of the config's base_url, where the API has one address for everyone."),
			flagKey("allow_static", "true: a signature can stay the same."),
			flagKey("allow_extension", "true: the hash of a secret can be extended by callers."),
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
