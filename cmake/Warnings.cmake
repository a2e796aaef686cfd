# One interface target that every target of ours links: flags, not policy.
add_library(imapfs_flags INTERFACE)
target_compile_definitions(imapfs_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(imapfs_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Wno-unused-parameter
	-Wimplicit-fallthrough -fno-common -fstack-protector-strong)
if(IMAPFS_WERROR)
	target_compile_options(imapfs_flags INTERFACE -Werror)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
	target_compile_options(imapfs_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
	target_link_options(imapfs_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
