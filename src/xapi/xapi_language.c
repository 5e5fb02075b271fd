/*
 * xapi_language.c
 *		Language tags: well-formed by RFC 5646, whether or not a registry knows their parts.
 */
#include "postgres.h"

#include "xapi/xapi.h"

/* One subtag, the text between two hyphens. */
typedef struct Subtag
{
	const char *text;
	int length; /* 0 after the last one */
	bool alpha; /* letters only */
	bool digits; /* digits only */
} Subtag;

/* Tags from before the grammar, which they do not fit. */
static const char *const irregular[] = {"en-GB-oed", "i-ami", "i-bnn",     "i-default", "i-enochian", "i-hak",
										"i-klingon", "i-lux", "i-mingo",   "i-navajo",  "i-pwn",      "i-tao",
										"i-tay",     "i-tsu", "sgn-BE-FR", "sgn-BE-NL", "sgn-CH-DE"};

/* Reads the subtag at text; false where there is none of 1 to 8 letters and digits. */
static bool
read_subtag(Subtag *subtag, const char *text, const char *end)
{
	*subtag = (Subtag){text, 0, true, true};
	for (; text < end && *text != '-'; text++)
	{
		bool is_digit = *text >= '0' && *text <= '9';

		if (!is_digit && !(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z'))
			return false;
		subtag->alpha &= !is_digit;
		subtag->digits &= is_digit;
		subtag->length++;
	}
	return subtag->length >= 1 && subtag->length <= 8;
}

/* Moves on to the next subtag; false where what follows is none. */
static bool
advance(Subtag *subtag, const char *end)
{
	const char *hyphen = subtag->text + subtag->length;

	if (hyphen == end)
	{
		*subtag = (Subtag){end, 0};
		return true;
	}
	return read_subtag(subtag, hyphen + 1, end);
}

static bool
is_variant(const Subtag *subtag)
{
	return subtag->length >= 5 || (subtag->length == 4 && *subtag->text >= '0' && *subtag->text <= '9');
}

/* The extensions and the private part at the tag's end: a single character and what it introduces. */
static bool
check_singletons(Subtag subtag, const char *end)
{
	while (subtag.length == 1)
	{
		bool is_private = *subtag.text == 'x' || *subtag.text == 'X';
		int count = 0;

		while (advance(&subtag, end) && subtag.length >= (is_private ? 1 : 2))
			count++;
		if (count == 0)
			return false;
	}
	return subtag.text == end;
}

/* Language, up to three extensions of it, script, region, variants, each but the first optional. */
static bool
check_language(Subtag subtag, const char *end)
{
	bool is_short = subtag.length <= 3;

	if (!subtag.alpha || subtag.length < 2 || !advance(&subtag, end))
		return false;
	for (int i = 0; i < 3 && is_short && subtag.length == 3 && subtag.alpha; i++)
	{
		if (!advance(&subtag, end))
			return false;
	}
	if (subtag.length == 4 && subtag.alpha && !advance(&subtag, end))
		return false;
	if (((subtag.length == 2 && subtag.alpha) || (subtag.length == 3 && subtag.digits)) && !advance(&subtag, end))
		return false;
	while (is_variant(&subtag))
	{
		if (!advance(&subtag, end))
			return false;
	}
	return check_singletons(subtag, end);
}

static bool
is_irregular(LsText text)
{
	for (int i = 0; i < lengthof(irregular); i++)
	{
		if (ls_xapi_compare_any_case(ls_text(irregular[i]), text) == 0)
			return true;
	}
	return false;
}

static bool
is_language(LsText text)
{
	const char *end = text.data + text.length;
	Subtag subtag;

	if (!read_subtag(&subtag, text.data, end))
		return false;
	if (subtag.length == 1 && (*subtag.text == 'x' || *subtag.text == 'X'))
		return check_singletons(subtag, end);
	return check_language(subtag, end) || is_irregular(text);
}

const LsXapiFormat ls_xapi_language = {is_language, "a language tag of RFC 5646"};
