package scheme

import (
	"strings"
	"time"
)

// The flows of functions: what is known of a result. They are the safety rules of the language.

// flowKeep is for what gives a text as long as its argument, character by character.
func flowKeep(_ *checker, _ call, args []operand) facts { return args[0].facts }

// flowShorten is for what leaves a part of its argument, which may begin and end with what was inside: a request field,
// if anything varies. (Requested does not tell: a cut inside may have cleared it.)
func flowShorten(_ *checker, at call, args []operand) facts {
	refuseGiven(at, args, "cut")
	part := args[0].facts
	part.min = 0
	if part.varies {
		part.begin, part.end, part.lastRequest = part.begin.or(inside), part.end.or(inside), true
		part.first.request = true
	}
	return part
}

// flowCut is flowShorten for what may leave the part that was not fresh.
func flowCut(c *checker, at call, args []operand) facts {
	part := flowShorten(c, at, args)
	part.fresh, part.requested, part.distinct = false, false, false
	return part
}

// flowEncode is for encodings: no part of the argument stands in the result as it is. size is that of the result.
func flowEncode(size func(int) int) flow {
	return func(_ *checker, _ call, args []operand) facts {
		encoded := args[0].facts
		encoded.max = size(encoded.max)
		encoded.utf8, encoded.bare, encoded.zeros, encoded.lastRequest = true, true, false, false
		encoded.raw, encoded.unescaped, encoded.unreserved = nil, false, false
		encoded.escapes, encoded.separates = false, false
		encoded.begin, encoded.end = edge{}, edge{}
		return encoded
	}
}

// flowUnreserved is flowEncode for what gives only characters that percent_encode leaves as they are.
func flowUnreserved(size func(int) int) flow {
	return func(c *checker, at call, args []operand) facts {
		encoded := flowEncode(size)(c, at, args)
		encoded.unreserved = true
		return encoded
	}
}

// flowSort is for an encoding that changes the order of its parts. To sort is to compare.
func flowSort(c *checker, at call, args []operand) facts {
	refuseToCompare(at, args)
	sorted := flowPercent(func(n int) int { return 3*n + 1 })(c, at, args)
	sorted.min = 0
	return sorted
}

// flowPercent is flowEncode for what percent-encodes, and so encodes what can separate.
func flowPercent(size func(int) int) flow {
	return func(c *checker, at call, args []operand) facts {
		encoded := flowEncode(size)(c, at, args)
		encoded.escapes = args[0].escapes || args[0].separates
		return encoded
	}
}

// flowJSON refuses secrets that are not text: an encoding of bytes that are not UTF-8 would lose some of them.
func flowJSON(c *checker, at call, args []operand) facts {
	if args[0].kind == kindSecret && !args[0].utf8 {
		panic(at.refuse(args[0].node, "json takes secrets of the encoding text, or joined of such and strings; use base64, "+
			"base64url, hex or percent_encode for this one"))
	}
	escaped := 6
	if args[0].bare {
		escaped = 1
	}
	encoded := flowEncode(func(n int) int { return escaped*n + 2 })(c, at, args)
	encoded.min, encoded.utf8, encoded.bare, encoded.raw = 1, false, false, args[0].raw
	encoded.escapes, encoded.separates = args[0].escapes, args[0].separates
	return encoded
}

// flowFresh is for the methods of timestamps that tell the second. size is that of the result.
func flowFresh(size int) flow {
	return func(*checker, call, []operand) facts {
		return facts{fresh: true, varies: true, changes: true, endsPublic: true, min: 1, max: size}
	}
}

// flowFormat checks a layout.
func flowFormat(c *checker, at call, args []operand) facts {
	literal := args[1].node
	if !isLiteral(literal) {
		panic(at.refuse(literal, "the layout is one string literal"))
	}
	text := literalText(literal)
	compiled, valid := newLayout(text)
	if !valid {
		panic(at.refuse(literal, "the layout can have %s", strings.ReplaceAll(directiveHelp(), "`", "")))
	}
	if !strings.Contains(text, "%") {
		c.newer.refuse(at.refuse(literal, "the layout has no %%, so it says nothing of the time; it can have %s",
			strings.ReplaceAll(directiveHelp(), "`", "")))
	}
	c.unit = max(c.unit, compiled.unit)
	written := flowFresh(compiled.max)(c, at, args)
	written.fresh, written.min = compiled.fresh, min(compiled.max, 1)
	return written
}

// maxShift is how far a timestamp may be from now.
const maxShift = 24 * time.Hour

// flowShift is a timestamp that is later or earlier by a literal.
func flowShift(earlier bool) flow {
	return func(_ *checker, at call, args []operand) facts {
		by, err := time.ParseDuration(literalText(args[1].node))
		if err != nil || by < time.Second || by > maxShift || by%time.Second != 0 {
			panic(at.refuse(args[1].node, "must be a duration in whole seconds from 1s to 24h, such as \"60s\" or \"9m\""))
		}
		if earlier {
			by = -by
		}
		shifted := args[0].facts
		if shifted.offset += by; shifted.offset.Abs() > maxShift {
			panic(at.refuse(args[1].node, "goes more than 24h away from now"))
		}
		return shifted
	}
}

// flowChoose refuses nothing: its condition has no secret in it, because no condition has.
func flowChoose(_ *checker, _ call, args []operand) facts {
	chosen := either(args[1].facts, args[2].facts)
	chosen.varies = chosen.varies || args[0].varies
	return chosen
}

const compared = "cannot be compared: a secret flows into it, hashed or not, and what can be compared can be guessed " +
	"letter by letter"

// refuseGiven refuses what a login gives, hashed or not: callers need not see it, and what is compared, cut or measured
// can be guessed.
func refuseGiven(at call, args []operand, what string) {
	for _, arg := range args {
		if arg.given {
			panic(at.refuse(arg.node, "cannot be %s: what the login gives flows into it, hashed or not", what))
		}
	}
}

// refuseToCompare refuses what a secret or what a login gives flows into, hashed or not.
func refuseToCompare(at call, args []operand) {
	refuseGiven(at, args, "compared or sorted")
	for _, arg := range args {
		if arg.ofSecret || arg.ofPublicKey {
			panic(at.refuse(arg.node, compared))
		}
	}
}

// flowCompare is a comparison of two values.
func flowCompare(_ *checker, at call, args []operand) facts {
	refuseToCompare(at, args)
	return facts{varies: args[0].varies || args[1].varies, min: 1, max: 1}
}

// flowDigest is a digest as a public value.
func (h hashing) flowDigest(c *checker, at call, args []operand) facts {
	hashed := args[0]
	// Wherever the secret is: the digest is the state of the hash after all of it.
	if h.extendable && hashed.ofSecret && hashed.endsPublic {
		if hashed.lastRequest && !c.allowExtension {
			c.newer.refuse(at.refuse(hashed.node, "could be extended: it is the hash of something that has a secret in it and "+
				"ends in a request field, or in one that only constants follow, so anyone who sees it can compute that of a "+
				"longer value; use hmac_, or set allow_extension: true"))
		}
		c.lint(at.place + ": the hash of something that has a secret in it and ends in something public can be extended by " +
			"anyone who reads it; if the API permits, use an HMAC")
	}
	c.keys.hashed(at, hashed)
	c.keys.use(h.name, hashed.direct)
	digest := join(hashed.facts)
	digest.stale = hashed.ofSecret && !hashed.fresh
	digest.first = hashed.first.hashed()
	return h.public(digest)
}

// public adds what holds for every public digest.
func (h hashing) public(digest facts) facts {
	digest.direct, digest.min, digest.max, digest.zeros, digest.endsPublic = nil, 1, h.new().Size(), true, true
	digest.escapes, digest.separates = false, false
	digest.raw, digest.unescaped, digest.digest = nil, false, true
	return digest
}

// flowHMAC is an HMAC as a public value. It is fresh by its message, never by its key.
func (h hashing) flowHMAC(c *checker, at call, args []operand) facts {
	key, message := args[0], args[1]
	checkKey(at, key)
	c.keys.hashed(at, key)
	c.keys.hashed(at, message)
	c.signs(at, key, message)
	if block := h.new().BlockSize(); key.max > block { // RFC 2104, section 2
		c.keys.longKeys = append(c.keys.longKeys, conflict{
			keys: key.direct,
			use:  h.name,
			err: at.refuse(key.node, "cannot be a key of %s that can have more than %d bytes, because it flows into %s too: "+
				"HMAC hashes long keys, so that hash may be the key", at.function.name, block, h.name),
		})
	}
	c.keys.use("hmac_"+h.name, c.keys.unhashed(h.name, key.direct))
	digest := join(key.facts, message.facts)
	digest.fresh, digest.requested, digest.distinct = message.fresh, message.requested, message.distinct
	digest.stale = !message.fresh && !message.requested
	return h.public(digest)
}

// checkKey refuses a key whose length a caller could choose: HMAC pads keys with zeros, so two keys that differ in
// those only give the same result, which tells how long the secret part is (RFC 2104, section 2).
func checkKey(at call, key operand) {
	if key.varies {
		panic(at.refuse(key.node, "cannot be a key: a request field, now, uuid or nonce flows into it; put them into the "+
			"message, or into a derive_ function"))
	}
	if key.zeros {
		panic(at.refuse(key.node, "cannot be a key: it has bytes 0, or a digest in bytes, beside the secret; write the "+
			"digest in hex"))
	}
}

// flowDerive is a digest that stays a secret.
func (h hashing) flowDerive(c *checker, at call, args []operand) facts {
	derived := c.keys.derived(at, args, args[0].facts)
	derived.max = h.new().Size()
	return derived
}

// flowDeriveHMAC is an HMAC that stays a secret.
func (h hashing) flowDeriveHMAC(c *checker, at call, args []operand) facts {
	key, message := args[0], args[1]
	checkKey(at, key)
	block := h.new().BlockSize()
	c.keys.derivingKeys = append(c.keys.derivingKeys, conflict{
		keys: c.keys.unhashed(h.name, key.direct),
		use:  "hmac_" + h.name,
		err: at.refuse(key.node, "cannot be a key of %s, because a key of hmac_%s is made of the same: HMAC hashes keys "+
			"that have more than %d bytes, so a caller could ask for the derived key; use two secrets",
			at.function.name, h.name, block),
		newer: key.max <= block, // a longer one gives the derived key away
	})
	derived := c.keys.derived(at, args, message.facts)
	derived.max = h.new().Size()
	return derived
}
