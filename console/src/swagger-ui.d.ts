declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  interface Asked {
    method?: string
    headers: Record<string, string>
  }
  interface Options {
    url: string
    dom_id: string
    deepLinking?: boolean
    displayRequestDuration?: boolean
    docExpansion?: 'list' | 'full' | 'none'
    validatorUrl?: string | null
    requestInterceptor?: (request: Asked) => Asked | Promise<Asked>
  }
  export default function SwaggerUI(options: Options): unknown
}
