// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/moniker.h"
#include "base/mem.h"

#include <stdint.h>
#include <sys/random.h>

static const char *const moniker_adjectives[] = {
	"able",	 "brave", "bright", "brisk", "calm", "clear", "deft",  "eager", "early", "fair",
	"fleet", "fond",  "free",   "glad",  "gold", "grand", "hardy", "hale",	"ideal", "jolly",
	"keen",	 "kind",  "light",  "lucky", "mild", "neat",  "noble", "prime", "proud", "quick",
	"quiet", "rapid", "ready",  "sleek", "snug", "solid", "spry",  "still", "sunny", "swift",
	"tidy",	 "trim",  "true",   "vivid", "warm", "wise",  "witty", "young",
};

static const char *const moniker_nouns[] = {
	"anchor", "auk",     "bay",    "bow",	  "brine", "buoy",   "cape",  "coral",
	"crab",	  "current", "dhow",   "dock",	  "eider", "ferry",  "fjord", "gale",
	"gannet", "harbor",  "heron",  "isle",	  "jetty", "keel",   "kelp",  "lagoon",
	"lark",	  "mast",    "otter",  "petrel",  "pilot", "plover", "port",  "puffin",
	"quay",	  "reef",    "rudder", "sail",	  "seal",  "shore",  "sloop", "spar",
	"squall", "tern",    "tide",   "topsail", "wake",  "wave",   "whale", "yawl",
};

static const char *moniker_pick(const char *const *words, size_t n)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)getpid();
	return words[random % n];
}

char *moniker_make(unsigned int attempt)
{
	const char *adjective = moniker_pick(moniker_adjectives, ARRAY_SIZE(moniker_adjectives));
	const char *noun = moniker_pick(moniker_nouns, ARRAY_SIZE(moniker_nouns));

	if (attempt)
		return mem_printf("%s-%s-%u", adjective, noun, attempt);
	return mem_printf("%s-%s", adjective, noun);
}
