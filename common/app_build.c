/* app_build.c - which build is running. */
#include <link.h>
#include <stdio.h>

#include "common/app_internal.h"

#define BUILD_ID_MAX 20

struct note {
    uint32_t type;
    struct span name, desc;
};

/* Take one note off the front of a PT_NOTE segment. */
static bool cut_note(struct span *notes, struct note *out)
{
    ElfW(Nhdr) head;
    size_t name;
    size_t desc;

    if (notes->len < sizeof(head))
        return false;
    memcpy(&head, notes->ptr, sizeof(head));
    name = (head.n_namesz + (size_t)3) & ~(size_t)3;
    desc = (head.n_descsz + (size_t)3) & ~(size_t)3;
    if (notes->len < sizeof(head) + name + desc)
        return false;
    *notes = span_skip(*notes, sizeof(head));
    *out = (struct note){head.n_type,
                         {notes->ptr, head.n_namesz},
                         {notes->ptr + name, head.n_descsz}};
    *notes = span_skip(*notes, name + desc);
    return true;
}

static void take_build_id(struct span notes, char *out)
{
    struct note note;

    while (cut_note(&notes, &note)) {
        if (note.type != NT_GNU_BUILD_ID ||
            !span_eq(note.name, (struct span){"GNU", 4}))
            continue;
        if (note.desc.len > BUILD_ID_MAX)
            note.desc.len = BUILD_ID_MAX;
        span_hex(out, note.desc);
    }
}

static int on_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *head = &info->dlpi_phdr[i];

        if (head->p_type == PT_NOTE)
            take_build_id(
                (struct span){(const char *)info->dlpi_addr + head->p_vaddr,
                              head->p_memsz},
                arg);
    }
    return 1; /* the first one is the program itself */
}

const char *app_build_id(void)
{
    static char id[2 * BUILD_ID_MAX + 1]; /* the same for ever */

    if (id[0] == '\0') {
        dl_iterate_phdr(on_program, id);
        if (id[0] == '\0')
            memcpy(id, "none", sizeof("none"));
    }
    return id;
}

const char *app_version(void)
{
    return LAB_VERSION;
}
