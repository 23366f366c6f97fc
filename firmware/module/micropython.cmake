# _tinywake as a user C module: idf.py or make with USER_C_MODULES=<this repository>/firmware/module/micropython.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../core/sources.cmake)
add_library(usermod_tinywake INTERFACE)
target_sources(usermod_tinywake INTERFACE ${TW_CORE_SOURCES}
  ${CMAKE_CURRENT_LIST_DIR}/modtinywake.c ${CMAKE_CURRENT_LIST_DIR}/modpdm.c ${CMAKE_CURRENT_LIST_DIR}/modrec.c ${CMAKE_CURRENT_LIST_DIR}/modhuf.c)
target_include_directories(usermod_tinywake INTERFACE ${TW_CORE_DIR})
target_link_libraries(usermod INTERFACE usermod_tinywake)
