# The one list of the core's sources for CMake. sources.mk is the one for make.
file(GLOB TW_CORE_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
set(TW_CORE_DIR ${CMAKE_CURRENT_LIST_DIR})
