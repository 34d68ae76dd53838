// The torch wheel ships c10d's ProcessGroupGloo.hpp but not Gloo's own headers. What that header names of Gloo is declared
// in this folder, just enough to compile it: the addon makes none of these objects and calls none of their methods, so
// nothing here depends on how they look inside.
#pragma once
