/*
 * load.c - search-load: the engine beside others, through pipes (--sbg).
 */
#include "search/sbg.h"

int main(int argc, char **argv)
{
    return sbg_run(argc, argv);
}
