/* What -o brings: split, unescaped, kept in order until the config file has been read. */
#include "imapfs/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 256u

void option_list_release(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

static bool looks_like_capability(const char *item)
{
	const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./";

	return *item && strspn(item, allowed) == strlen(item);
}

static int append_item(struct option_list *list, char *item)
{
	char **last = list->count ? &list->items[list->count - 1] : NULL;
	char **items;

	if (last && strncmp(*last, "disable=", 8) == 0 && looks_like_capability(item)) {
		char *joined;

		if (asprintf(&joined, "%s,%s", *last, item) < 0)
			return -ENOMEM;
		free(*last);
		*last = joined;
		free(item);
		return 0;
	}
	if (list->count >= ITEMS_MAX)
		return -E2BIG;
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = item;
	return 0;
}

int option_list_add(struct option_list *list, const char *text)
{
	while (*text) {
		char *item = malloc(strlen(text) + 1);
		size_t len = 0;
		int err;

		if (!item)
			return -ENOMEM;
		for (; *text && *text != ','; text++) {
			if (*text == '\\' && (text[1] == ',' || text[1] == '\\'))
				text++;
			item[len++] = *text;
		}
		item[len] = '\0';
		text += *text == ',';
		if (len == 0) {
			free(item);
			continue;
		}
		err = append_item(list, item);
		if (err) {
			free(item);
			return err;
		}
	}
	return 0;
}
