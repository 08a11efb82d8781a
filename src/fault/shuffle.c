/* Says the keywords of EHLO in another order, which means the same. */
#include "faults.h"

#define LINES_MAX 64U

void fault_shuffle(const struct fault_rule *rule, const struct fault_scene *scene,
                   struct fault_plan *plan)
{
    struct span rest = fault_said(scene, plan);
    struct text room = fault_room(plan);
    struct span lines[LINES_MAX];
    size_t count = 0, i;

    (void)rule;
    while (count < LINES_MAX && fault_line(&rest, &lines[count]))
        count++;
    for (i = count; i > 2; i--) { /* the first is the greeting */
        size_t other = 1 + (size_t)seed_below(scene->seed, i - 1);
        struct span line = lines[i - 1];

        lines[i - 1] = lines[other];
        lines[other] = line;
    }
    for (i = 0; i < count; i++) {
        size_t start = room.size;

        text_add(&room, lines[i]);
        if (room.size > start + 3)
            room.at[start + 3] = i + 1 < count ? '-' : ' ';
    }
    text_add(&room, rest);
    fault_becomes(scene, plan, &room);
}
